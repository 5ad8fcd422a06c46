# What had another address before: an apply keeps it.

moved {
  from = module.worker_service.aws_appautoscaling_target.worker
  to   = module.autoscaling.aws_appautoscaling_target.worker
}

moved {
  from = module.worker_service.aws_appautoscaling_policy.backlog
  to   = module.autoscaling.aws_appautoscaling_policy.backlog[0]
}
