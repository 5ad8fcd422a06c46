"""The acts that the audit log knows: `noun.past_participle`. Everything that varies is a field."""

from enum import StrEnum


class Act(StrEnum):
    """What is recorded. The comment lists the fields beside those that every audit record has."""

    JOB_SUBMITTED = "job.submitted"  # request_id, outcome (accepted, replayed, undecided)
    JOBS_SUBMITTED = "jobs.submitted"  # count, refused_count, first_request_id, last_request_id (a bulk; the log has a line for
    # each job)
    JOB_CANCELLED = "job.cancelled"  # request_id, status (processing: its worker is told to stop; undecided: the table did not say)
    JOB_ERASED = "job.erased"  # request_id, status (erased; erasing: promised, a worker has to stop first, or the bucket to answer;
    # undecided: the table did not say)
    #: At most so many a second; `folded` are those that came since `folded_since`, the earlier record, and have none of their own.
    AUTHENTICATION_REFUSED = "authentication.refused"  # method, route, claimed (a key's id, where one was named), folded,
    # folded_since
    PERMISSION_REFUSED = "permission.refused"  # method, route, permission, folded, folded_since

    KEY_CREATED = "key.created"  # key_id, name, scopes, ends_at
    KEY_ROTATED = "key.rotated"  # key_id, successor_id, ends_at (what the old one is told)
    KEY_REVOKED = "key.revoked"  # key_id
    JOBS_ERASED = "jobs.erased"  # count, first_request_id, last_request_id, promised (how many more are not gone yet)
    JOBS_REDRIVEN = "jobs.redriven"  # count, first_request_id, last_request_id, messages (sent again)
    JOBS_DISCARDED = "jobs.discarded"  # count, first_request_id, last_request_id, messages (without a job)
