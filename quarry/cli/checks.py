"""What `quarry doctor` asks AWS and the API, one check after the other; `judgements.py` says what the answers mean."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import code_of, sync_config, sync_session
from quarry.cli.judgements import Finding, Level, judge_clock, judge_dlq, judge_expiry, judge_queue, judge_table
from quarry.client import ApiClient
from quarry.clock import SystemClock
from quarry.errors import ApiUnreachable, ConfigurationError
from quarry.inference.routes_file import load_routes
from quarry.job import Priority
from quarry.settings import Settings
from quarry.tenants.tenants_file import load_tenants


def findings(settings: Settings, api: str | None) -> Iterator[Finding]:
    """Every check in turn; `api` is the base URL of an API that should be ready, None where none is asked."""
    yield Finding("settings", Level.OK, f"environment {settings.environment}")
    try:
        session, config = sync_session(settings.region), sync_config()
    except ConfigurationError as error:
        yield Finding("credentials", Level.FAIL, str(error))
        return

    def client(service: str, **more: Any) -> Any:
        return session.client(service, config=config, **more)  # type: ignore[call-overload]

    yield _region(settings.region, session.get_available_regions("sqs"))
    yield from _asked("credentials", lambda: _credentials(client("sts")))
    yield from _asked("queue", lambda: _queues(client("sqs"), settings))
    yield from _asked("table", lambda: _table(client("dynamodb"), settings.store.table))
    yield from _asked("bucket", lambda: _bucket(client("s3"), settings.store.bucket, settings.job.retention_days))
    yield from _bedrock(client, settings)
    yield from _tenants(settings)
    if api:
        yield from _api(api)


def _region(region: str, known: list[str]) -> Finding:
    if region in known:
        return Finding("region", Level.OK, region)
    return Finding("region", Level.WARN, f"{region} is no region that this SDK knows; see AWS_REGION")


def _credentials(sts: Any) -> Iterator[Finding]:
    answer = sts.get_caller_identity()
    yield Finding("credentials", Level.OK, f"{answer['Arn']} at {sts.meta.endpoint_url}")
    yield judge_clock(answer["ResponseMetadata"]["HTTPHeaders"].get("date"), SystemClock().now())


def _queues(sqs: Any, settings: Settings) -> Iterator[Finding]:
    found: dict[str, dict[str, str]] = {}
    queue = settings.queue
    lanes = [("queue", Priority.NORMAL), ("queue-high", Priority.HIGH), ("queue-low", Priority.LOW)]
    named = [(check, queue.name_of(lane), queue.url_of(lane)[0]) for check, lane in lanes]
    for check, name, url in (*named, ("dlq", f"{queue.name}-dlq", queue.dlq_url)):
        try:
            url = url or sqs.get_queue_url(QueueName=name)["QueueUrl"]  # noqa: PLW2901
            found[check] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        except sqs.exceptions.QueueDoesNotExist:
            text = f"{url or name} does not exist; make it (locally: `quarry provision`) or correct QUARRY_QUEUE__NAME"
            yield Finding(check, Level.FAIL, text)
        else:
            yield Finding(check, Level.OK, url)
    dlq_arn = found["dlq"]["QueueArn"] if "dlq" in found else None
    for check, lane in lanes:
        findings = judge_queue(found[check], settings.worker.lease_seconds, dlq_arn) if check in found else []
        if lane is Priority.NORMAL:
            yield from findings
        else:  # what is well with all of them is said once
            yield from (Finding(check, each.level, f"{each.check}: {each.text}") for each in findings if each.level is not Level.OK)
    if "dlq" in found:
        yield from judge_dlq(found["dlq"])


def _table(dynamodb: Any, name: str) -> Iterator[Finding]:
    try:
        table = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        text = f"{name} does not exist; make it (locally: `quarry provision`) or correct QUARRY_STORE__TABLE"
        yield Finding("table", Level.FAIL, text)
        return
    yield from judge_table(table, dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"])


def _bucket(s3: Any, name: str, retention_days: int) -> Iterator[Finding]:
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if code_of(error) != "404":  # the answer to a HEAD has no other words
            raise
        text = f"{name} does not exist; make it (locally: `quarry provision`) or correct QUARRY_STORE__BUCKET"
        yield Finding("bucket", Level.FAIL, text)
        return
    yield Finding("bucket", Level.OK, name)
    rules: list[dict[str, Any]] = []
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    except ClientError as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            raise
    yield judge_expiry(rules, retention_days)


def _tenants(settings: Settings) -> Iterator[Finding]:
    """Whether the tenants file can be used; nothing where there is none."""
    if settings.tenants_file is None:
        return
    try:
        named = load_tenants(settings.tenants_file).named
    except ConfigurationError as error:
        yield Finding("tenants", Level.FAIL, str(error))
    else:
        yield Finding("tenants", Level.OK, f"{settings.tenants_file}: {', '.join(sorted(named)) or 'the same for all'}")


def _bedrock(client: Callable[..., Any], settings: Settings) -> Iterator[Finding]:
    try:
        routes = load_routes(settings.routes_file, settings.region)
    except ConfigurationError as error:
        yield Finding("routes", Level.FAIL, str(error))
        return
    targets = [each.target for route in routes for each in route.targets]
    yield Finding("routes", Level.OK, f"{settings.routes_file or 'built in'}: {', '.join(str(target) for target in targets)}")
    for region in sorted({target.region for target in targets if target.provider == "bedrock"}):
        yield from _asked("bedrock", partial(_reachable, partial(client, "bedrock-runtime", region_name=region)))


def _reachable(bedrock: Callable[[], Any]) -> Iterator[Finding]:
    """Whether an HTTP server answers there, whatever it says: an unsigned GET of nothing costs nothing."""
    url = bedrock().meta.endpoint_url
    try:
        httpx.get(url, timeout=5)
    except httpx.HTTPError as error:
        text = f"{url} does not answer ({type(error).__name__}); look at routing, endpoints and security groups"
        yield Finding("bedrock", Level.FAIL, text)
    else:
        yield Finding("bedrock", Level.OK, f"{url} answers (no model was called)")


def _api(url: str) -> Iterator[Finding]:
    try:
        with ApiClient(url) as client:
            ready = client.is_ready()
    except ApiUnreachable as error:
        yield Finding("api", Level.FAIL, str(error))
        return
    if ready:
        yield Finding("api", Level.OK, f"{url} is ready")
    else:
        yield Finding("api", Level.FAIL, f"{url} answers, but is not ready; its log says why")


def _asked(check: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What `ask` finds; a refusal or a silence of AWS is a finding too."""
    try:
        yield from ask()
    except ClientError as error:
        fault = error.response.get("Error", {})
        text = f"AWS refused {error.operation_name}: {fault.get('Code')}: {fault.get('Message')}; look at the role's permissions"
        yield Finding(check, Level.FAIL, text)
    except (BotoCoreError, ValueError) as error:
        # botocore says ValueError to an endpoint that is no URL.
        yield Finding(check, Level.FAIL, f"{str(error).rstrip('.')}; look at credentials, region and endpoints")
