"""What CloudWatch and Application Auto Scaling do with a service's policies: an evaluator of ours, since the emulated AWS has none.

It is test code, and it is not AWS. What their documentation says is followed and held to its examples (tests/unit/scaling); where
it says nothing, what was assumed is said here:

- a target-tracking policy aims at `ceil(capacity x metric / target)`, out and in;
- its alarms are three of three minutes above the target, and fifteen of fifteen below nine tenths of it: what AWS's own alarms were
  seen to be (aws/containers-roadmap issue 1208, November 2026), and may change;
- an alarm looks at two points more than it evaluates;
- a policy is carried out by the newest point there is, where that is of the last three minutes;
- a change is done, and its cool-down begins, when as many tasks run as it asked for;
- a cool-down is of the service, not of a policy.
"""
