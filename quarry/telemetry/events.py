"""The names of log events: `noun.past_participle`. Everything that varies is a field."""

from enum import StrEnum


class Event(StrEnum):
    """What the log can say. The comment lists the fields beside the bound ones (`service`, `request_id`, `attempt`, `trace_id`)."""

    SERVICE_STARTED = "service.started"  # version, and of these what it has: port, metrics_port, queue_url, slots, url, serves,
    # rules, brain
    SERVICE_STOPPED = "service.stopped"  # (none)
    SERVICE_FAILED = "service.failed"  # error
    BRAIN_MISSING = "brain.missing"  # brain, instead, error (the simulator echoes)
    DRAIN_STARTED = "drain.started"  # in_flight, drain_seconds
    DRAIN_FINISHED = "drain.finished"  # cut

    JOB_SUBMITTED = "job.submitted"  # tenant, model, priority
    JOB_WITHDRAWN = "job.withdrawn"  # error
    JOB_REPLAYED = "job.replayed"  # tenant
    JOB_CANCELLED = "job.cancelled"  # tenant
    CANCEL_REQUESTED = "cancel.requested"  # tenant
    ERASURE_REQUESTED = "erasure.requested"  # tenant
    JOB_ERASED = "job.erased"  # tenant, rows (of streamed text), objects (in the bucket; again, for what came late)

    RECEIVE_FAILED = "receive.failed"  # error
    JOB_TAKEN_OVER = "job.taken_over"  # takeovers
    JOB_ISOLATED = "job.isolated"  # takeovers
    JOB_RESENT = "job.resent"  # tenant, status (the sweep found it without a message)
    HEARTBEAT_FAILED = "heartbeat.failed"  # error (told once: peers do not hear of this worker, nor it of them)
    PROTECTION_REFUSED = "protection.refused"  # ask, error, detail (by the ECS agent; told once until it grants something again)
    RECEIVING_PAUSED = "receiving.paused"  # reason (this worker stands aside: ECS can stop it once it is done)
    RECEIVING_RESUMED = "receiving.resumed"  # reason (why it stood aside)
    SWEEP_FINISHED = "sweep.finished"  # found, done
    SWEEP_FAILED = "sweep.failed"  # error
    CLAIM_REFUSED = "claim.refused"  # reason
    CLAIM_FAILED = "claim.failed"  # error
    LEASE_LOST = "lease.lost"  # (none)
    LEASE_RENEWAL_FAILED = "lease.renewal_failed"  # error
    #: The canonical line: one per attempt.
    ATTEMPT_FINISHED = "attempt.finished"  # status, outcome, duration_seconds, target, stop_reason, input_tokens, output_tokens,
    # error, provider_request_id, call_started, resume_at (those that there are)
    ATTEMPT_CONTENT = "attempt.content"  # asked, answered (only with QUARRY_LOG_CONTENT; masked, and cut)
    TEXT_UNWRITTEN = "text.unwritten"  # error (of a job that is streamed: followers see that text later)
    RECORD_REFUSED = "record.refused"  # error, outcome (the job fails, for good)
    RECORD_FAILED = "record.failed"  # error, tries
    RECORD_UNREADABLE = "record.unreadable"  # tenant (damaged, or of a newer version: lists leave it out)
    RECORD_ABANDONED = "record.abandoned"  # outcome (the worker had to end first; the job will be taken over)
    REMINDER_FAILED = "reminder.failed"  # error (nobody is told of the job's end yet: the sweep does it again)
    NOTIFICATION_ATTEMPTED = "notification.attempted"  # channel, status, tries, status_code, error (those that there are)
    SIGNING_KEY_MISSING = "signing_key.missing"  # tenant, error (nothing is sent to that tenant's receivers)
    PUBLISHING_FAILED = "publishing.failed"  # error (by SNS or EventBridge; it is done again)
    PAYLOAD_LEFT = "payload.left"  # error (of a job whose content is not stored: what it asked is erased later, with the rest)
    DELIVERY_BURIED = "delivery.buried"  # reason
    SETTLEMENT_FAILED = "settlement.failed"  # error
    DELIVERY_FAILED = "delivery.failed"  # error (a bug: the delivery comes again)
    TARGET_BLOCKED = "target.blocked"  # target, error, detail (the permission that the role lacks, where that is said)
    TARGET_UNBLOCKED = "target.unblocked"  # target
    ROUTES_RELOADED = "routes.reloaded"  # routes, targets (how many there are now)
    ROUTES_REFUSED = "routes.refused"  # error (the file has become wrong: the earlier routes go on serving)
    TALLY_FAILED = "tally.failed"  # error (tenants' jobs were not counted; the count before stands)
    TENANTS_RELOADED = "tenants.reloaded"  # tenants (how many are named now)
    TENANTS_REFUSED = "tenants.refused"  # error (the file has become wrong: what it said before goes on holding)
    READ_OF_KEY_FAILED = "provider_key.read_failed"  # provider, error (the key that was read before is used)
    INVOCATION_ADAPTED = "invocation.adapted"  # target, adapted (what of the request it is asked without, or with less of)
    JOB_DEGRADED = "job.degraded"  # target, error (nobody served it in time: it was answered with what its route declares)
    BREAKER_OPENED = "breaker.opened"  # target, reason, seconds (it is not asked meanwhile)
    BREAKER_CLOSED = "breaker.closed"  # target
    FALLBACK_ENGAGED = "fallback.engaged"  # target, error (the next target of the route is asked)

    REQUEST_FAILED = "request.failed"  # route, error (a bug: the caller sees an internal error)
    REQUEST_UNSERVED = "request.unserved"  # route, error, folded (queue or store did not answer: the caller sees a 503; `folded`
    # others since the line before: at most ten a second are told)
    AUDIT_FAILED = "audit.failed"  # error (audit records are lost, until it works again)
    TRACES_LOST = "traces.lost"  # spans (the collector did not take them: told once, until it takes some again)
    TRACES_REGAINED = "traces.regained"  # (none)
    CREDENTIAL_REFUSED = "credential.refused"  # reason (at level debug: whoever reaches the API can bring these about)
    DEPENDENCY_LOST = "dependency.lost"  # dependency, error
    DEPENDENCY_REGAINED = "dependency.regained"  # dependency
