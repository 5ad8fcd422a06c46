"""Dead letters: seeing what failed for good, putting it back to work, giving it up.

The job's record is the truth, the message in the dead-letter queue only a pointer to it. So both verbs first change records,
one by one as a listing streams by, and then *tidy* the queue: what lies there is judged by its job's record as it stands, and
removed where the record has gone on. Whatever is interrupted between is finished by the next run.
"""
