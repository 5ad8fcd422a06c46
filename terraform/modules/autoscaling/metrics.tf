# What is asked of CloudWatch, and the expressions over it.
#
# The newest minute is often not published yet: REPEAT has what was last known hold, or the fleet would shrink (no backlog) or jump
# (no tasks). SQS always tells how many jobs wait while somebody asks the queue, as workers do; how many are being worked, only
# where some are: added to a series that is everywhere, nothing is zero.
# MAX of several series is one series; it is MAX of one series (a number) of which CloudWatch warns in alarms.

locals {
  lanes = sort(keys(var.queue_names))

  sqs = { for kind, metric in {
    waiting = "ApproximateNumberOfMessagesVisible"
    working = "ApproximateNumberOfMessagesNotVisible"
    } : kind => { for lane in local.lanes : "${lane}_${kind}" => {
      namespace  = "AWS/SQS"
      metric     = metric
      stat       = "Maximum"
      dimensions = { QueueName = var.queue_names[lane] }
  } } }

  # Container Insights of the cluster publishes it.
  running = { tasks = {
    namespace  = "ECS/ContainerInsights"
    metric     = "RunningTaskCount"
    stat       = "Average"
    dimensions = { ClusterName = var.cluster_name, ServiceName = var.service_name }
  } }

  waiting = join(" + ", [for id in keys(local.sqs.waiting) : "FILL(${id}, REPEAT)"])
  working = "TIME_SERIES(0) + ${join(" + ", [for id in keys(local.sqs.working) : "FILL(${id}, REPEAT)"])}"

  # Where there are none, one.
  tasks = "IF(FILL(tasks, REPEAT) < 1, 1, FILL(tasks, REPEAT))"

  # Tasks are needed to hold what is being worked, with nine tenths of the slots full, and to work all of it off in time. Where
  # SQS tells nothing at all, or nobody counts the tasks, there is no value, and nobody scales: no metrics are no lack of work.
  followed = {
    metrics = merge(local.sqs.waiting, local.sqs.working, local.running)
    expressions = {
      waiting = local.waiting
      working = local.working
    }
    result = "IF(waiting >= 0 && FILL(tasks, REPEAT) >= 0, MAX([working / 0.9, (waiting + working) / ${format("%.6g", local.times_over)}]) / ${local.tasks})"
  }

  # Compared with a series that is everywhere, a number of tasks that was never told is zero; and of jobs that nobody told, none.
  asleep = {
    metrics     = merge(local.sqs.waiting, local.running)
    expressions = { waiting = local.waiting }
    result      = "IF(FILL(tasks, REPEAT) < TIME_SERIES(1), waiting, 0)"
  }

  # What the optional thresholds ask, by signal; `over` is where 1 is.
  signals = var.thresholds == null ? {} : { for name, each in {
    requests = {
      over = var.thresholds.requests_per_minute
      metrics = { for lane in local.lanes : "${lane}_sent" => {
        namespace = "AWS/SQS", metric = "NumberOfMessagesSent", stat = "Sum", dimensions = { QueueName = var.queue_names[lane] }
      } }
    }
    cpu = {
      over = var.thresholds.cpu_percent
      metrics = { cpu = {
        namespace = "AWS/ECS", metric = "CPUUtilization", stat = "Average", dimensions = local.running.tasks.dimensions
      } }
    }
    queue = {
      over    = var.thresholds.queue_length
      metrics = local.sqs.waiting
    }
    response = {
      over = var.thresholds.response_seconds
      metrics = { for lane in local.lanes : "${lane}_age" => {
        namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = { QueueName = var.queue_names[lane] }
      } }
    }
  } : name => each if contains(var.thresholds.signals, name) }

  # Of the ages, the oldest; of the rest, the sum.
  pressures = [for name, each in local.signals : format("(TIME_SERIES(0) + %s) / %s",
    name == "response" ? "MAX([${join(", ", [for id in keys(each.metrics) : "FILL(${id}, REPEAT)"])}])"
    : join(" + ", [for id in keys(each.metrics) : "FILL(${id}, REPEAT)"]),
    each.over,
  )]

  pressure = {
    metrics     = merge([for each in local.signals : each.metrics]...)
    expressions = {}
    result      = "MAX([${join(", ", concat(["TIME_SERIES(0)"], local.pressures))}])"
  }
}
