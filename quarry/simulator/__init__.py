"""A Bedrock Runtime to practise on: its wire protocol, real error shapes, faults on demand, and counters of what was billed.

A server of its own (`quarry simulator`), for the stock AWS clients: `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4567`.
"""
