# What is asked of CloudWatch, and the expressions over it.
#
# A minute has a value where all is known that it is made of. One that is not published yet has none, and an alarm looks at those
# before it: neither an old number nor a zero stands for what nobody told. So metrics that stay away add and remove nothing.
# MAX of several series is one series; it is MAX of one series (a number) of which CloudWatch warns in alarms.

locals {
  lanes = sort(keys(var.queue_names))

  # SQS tells how many wait while somebody asks the queue, as workers do; the rest with it, and nothing where there is none of it.
  # Hidden is what is being worked, and also what was put off.
  sqs = { for kind, metric in {
    waiting = "ApproximateNumberOfMessagesVisible"
    hidden  = "ApproximateNumberOfMessagesNotVisible"
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

  # What the workers themselves say, each of them at the end of each minute. The average is what a task has; a worker that hangs
  # says nothing, and counts as one like the others.
  slots = { used = {
    namespace  = coalesce(var.namespace, "none")
    metric     = "SlotsInUse"
    stat       = "Average"
    dimensions = { Service = "worker" }
  } }
  told = var.namespace != null

  waiting = join(" + ", keys(local.sqs.waiting))
  asked   = [for id in keys(local.sqs.waiting) : "${id} >= 0"]
  half    = format("%.6g", 0.5 * var.slots_per_task)

  # Tasks are needed to hold what is being worked, with nine tenths of the slots full, and to work all of it off in time. But jobs
  # that wait beside slots that are free wait for something else, for a quota or the models: they keep tasks, and add none.
  followed = {
    metrics = merge(local.sqs.waiting, local.running, local.told ? local.slots : local.sqs.hidden)
    expressions = merge(
      {
        waiting = local.waiting
        work    = "MAX([used / 0.9, (waiting / tasks + used) / ${format("%.6g", local.times_over)}])"
      },
      # Who does not listen to workers takes what is hidden for what is being worked.
      local.told ? {} : { used = "(TIME_SERIES(0) + ${join(" + ", keys(local.sqs.hidden))}) / tasks" },
    )
    result = join("", [
      "IF(${join(" && ", concat(local.asked, ["tasks >= 1"], local.told ? ["used >= 0"] : []))}, ",
      local.told ? "IF(used < ${local.half} && work > ${var.slots_per_task}, ${var.slots_per_task}, work))" : "work)",
    ])
  }

  # Compared with a series that is everywhere, a number of tasks that was never told is zero; and of jobs that nobody told, none.
  # What is late here is what it was: there is nobody yet whom it could mislead.
  asleep = {
    metrics     = merge(local.sqs.waiting, local.running)
    expressions = { waiting = join(" + ", [for id in keys(local.sqs.waiting) : "FILL(${id}, REPEAT)"]) }
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

  # Of the ages, the oldest; of the rest, the sum. What SQS does not tell beside the number of those who wait, there is none of.
  pressures = [for name, each in local.signals : format("(TIME_SERIES(0) + %s) / %s",
    name == "response" ? "MAX([${join(", ", keys(each.metrics))}])" : join(" + ", keys(each.metrics)),
    each.over,
  )]
  measured = distinct(flatten([for name in keys(local.signals) : name == "cpu" ? ["cpu >= 0"] : local.asked]))

  pressure = {
    metrics     = merge([for name, each in local.signals : merge(each.metrics, name == "cpu" ? {} : local.sqs.waiting)]...)
    expressions = {}
    result      = "IF(${join(" && ", local.measured)}, MAX([${join(", ", concat(["TIME_SERIES(0)"], local.pressures))}]))"
  }
}
