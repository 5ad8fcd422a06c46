"""The producer service: the REST API. One file per verb; `routes/` is HTTP in, HTTP out."""
