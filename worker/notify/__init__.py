"""Telling of jobs' ends: webhooks, and the operator's topic and event bus. Beside the slots: nothing here holds up a job."""
