"""How the number of containers follows the work, which figures are watched, and whom an alarm tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import metrics
from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, WITH_REDIS, WITH_WORKERS
from worker_image import emf

PUBLISHED = {(metrics.NAMESPACE, name) for name in metrics.UNITS}
OF_AWS = {
    ("AWS/ApiGateway", "5XXError"),
    ("AWS/ApiGateway", "4XXError"),
    ("AWS/ApiGateway", "Count"),
    ("AWS/ApiGateway", "Latency"),
    ("AWS/ElastiCache", "CurrConnections"),
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage"),
    ("AWS/ElastiCache", "EngineCPUUtilization"),
    ("AWS/ElastiCache", "Evictions"),
    ("AWS/ElastiCache", "ReplicationLag"),
}
"""The metrics of AWS that we read, as its user guides call them."""


SHOWN_AFTER = 90 + 60
"""Seconds: a container's start takes up to 90, and the next figure comes within 60."""


def metrics_of(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of all that an alarm looks at."""
    for entry in [
        alarm,
        *[query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query],
    ]:
        if "MetricName" in entry:
            dimensions = {item["Name"]: item["Value"] for item in entry["Dimensions"]}
            yield entry["Namespace"], entry["MetricName"], dimensions


@pytest.mark.parametrize("case", WITH_WORKERS)
def test_workers_follow_the_backlog_of_each(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, WorkerBacklog=6, WorkerMax=4, Name="desk-1")
    target = made["WorkerScaling"]
    assert target["ResourceId"] == "service/WorkerCluster/WorkerService.Name"
    assert (target["ServiceNamespace"], target["ScalableDimension"]) == ("ecs", "ecs:service:DesiredCount")
    assert int(target["MinCapacity"]) == CASES[case].get("WorkerMin", 1)
    assert target["MaxCapacity"] == "4"
    policy = made["WorkerScalingOnBacklog"]
    assert policy["ScalingTargetId"] == "WorkerScaling"
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == "6"
    metric = tracking["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("Coatcheck", "BacklogPerWorker")
    assert metric["Dimensions"] == [{"Name": "Stack", "Value": "desk-1"}]
    assert metric["Statistic"] == "Average"
    # New containers are there, and in the figure, before the next ones are asked for (docs/scale.md).
    assert tracking["ScaleOutCooldown"] >= SHOWN_AFTER


def test_with_no_worker_one_is_started_as_soon_as_a_job_waits(stack: Callable[..., Stack]) -> None:
    made = stack("from-zero")
    step = made["WorkerWakeUp"]["StepScalingPolicyConfiguration"]
    assert step["AdjustmentType"] == "ExactCapacity"
    assert step["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    # "Exactly one" must not undo what the backlog asked for while the first containers start.
    assert step["Cooldown"] >= 2 * SHOWN_AFTER
    alarm = made["WorkerWakeUpAlarm"]
    assert alarm["AlarmActions"] == ["WorkerWakeUp"]
    assert alarm["EvaluationPeriods"] == 1 and alarm["TreatMissingData"] == "notBreaching"
    assert [query["Expression"] for query in alarm["Metrics"] if query["ReturnData"]] == [
        "IF(workers < 1, waiting, 0)"
    ]
    assert {name for _, name, _ in metrics_of(alarm)} == {"QueuedJobs", "Workers"}


@pytest.mark.parametrize("case", [case for case in WITH_WORKERS if case != "from-zero"])
def test_where_a_worker_always_runs_the_wake_up_can_not_stop_others(
    case: str, stack: Callable[..., Stack]
) -> None:
    assert not {"WorkerWakeUp", "WorkerWakeUpAlarm"} & stack(case).resources.keys()


@pytest.mark.parametrize("case", WITH_REDIS)
def test_figures_are_published_each_minute_and_a_failed_run_is_not_repeated(
    case: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case)
    (rule,) = made.of("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["Arn"] == "PublishMetrics.Arn"
    assert made["PublishMetricsEventInvokeConfig"]["MaximumRetryAttempts"] == 0
    assert made["PublishMetrics"]["Role"] == "MetricsRole.Arn"
    assert made["PublishMetrics"]["Environment"]["Variables"]["COATCHECK_STACK"] == "coatcheck"


@pytest.mark.parametrize("case", WITH_WORKERS)
def test_all_that_can_go_wrong_has_an_alarm(case: str, stack: Callable[..., Stack]) -> None:
    alarms = stack(case).of("AWS::CloudWatch::Alarm").values()
    watched = {name for alarm in alarms for _, name, _ in metrics_of(alarm)}
    assert watched >= {
        "5XXError",
        "OldestWait",
        "FailedJobs",
        "Workers",
        "DatabaseMemoryUsagePercentage",
        "Evictions",
        "CurrConnections",
        "ReplicationLag",
    }


@pytest.mark.parametrize("case", CASES)
def test_each_alarm_watches_a_figure_that_is_published_and_tells_somebody(
    case: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case, Name="desk-1")
    for name, alarm in made.of("AWS::CloudWatch::Alarm").items():
        for namespace, metric, dimensions in metrics_of(alarm):
            assert (namespace, metric) in PUBLISHED | OF_AWS, name
            assert all(value.startswith("desk-1") or value == "api" for value in dimensions.values()), name
            assert (
                dimensions.keys()
                == {
                    "Coatcheck": {"Stack"},
                    "AWS/ApiGateway": {"ApiName", "Stage"},
                    "AWS/ElastiCache": {"CacheClusterId"},
                }[namespace]
            ), name
        assert alarm["AlarmDescription"].endswith("."), name
        assert alarm["TreatMissingData"] in ("notBreaching", "breaching"), name
        if name != "WorkerWakeUpAlarm":
            assert alarm["AlarmActions"] == alarm["OKActions"] == ["AlarmTopic"], name


@pytest.mark.parametrize("case", CASES)
def test_what_an_alarm_computes_uses_all_of_its_figures(case: str, stack: Callable[..., Stack]) -> None:
    for name, alarm in stack(case).of("AWS::CloudWatch::Alarm").items():
        queries = {query["Id"]: query for query in alarm.get("Metrics", [])}
        if queries:
            (result,) = [query for query in queries.values() if query["ReturnData"]]
            used = set(re.findall(r"\b[a-z]\w*", result["Expression"]))
            assert used == queries.keys() - {result["Id"]}, name


@pytest.mark.parametrize(
    ("case", "nodes", "last"), [("aws", 2, "002"), ("aws", 3, "003"), ("sync", 3, "0001-003")]
)
def test_each_node_of_redis_is_watched(case: str, nodes: int, last: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, RedisNodes=nodes)
    for of in ("Memory", "Evictions", "Connections", "Busy", "Lag"):
        name = f"Redis{of}Alarm"
        ids = [dimensions["CacheClusterId"] for _, _, dimensions in metrics_of(made[name])]
        assert len(ids) == nodes and ids[-1] == f"coatcheck-{last}"


def test_an_address_is_told_if_one_is_given(stack: Callable[..., Stack]) -> None:
    made = stack("aws", AlarmEmail="somebody@example.com")
    assert made["AlarmSubscription"]["Endpoint"] == "somebody@example.com"
    assert made["AlarmSubscription"]["TopicArn"] == "AlarmTopic"
    assert "AlarmSubscription" not in stack("aws")


@pytest.mark.parametrize("case", WITH_REDIS)
def test_the_dashboard_shows_figures_that_are_published(case: str, stack: Callable[..., Stack]) -> None:
    widgets = json.loads(stack(case, Name="desk-1")["Dashboard"]["DashboardBody"])["widgets"]
    shown = set()
    for widget in widgets:
        before: list[Any] = []
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):  # a search for all tasks
                [name] = re.findall(r'MetricName="(\w+)"', metric[0]["expression"])
                assert name in emf.UNITS
                assert metric[0]["expression"].count('Stack="desk-1"') == 1
                continue
            words = [word for word in metric if isinstance(word, str)]
            before = [before[at] if word == "." else word for at, word in enumerate(words)]
            shown.add((before[0], before[1]))
            assert any(word.startswith("desk-1") for word in before)
    assert shown <= PUBLISHED | OF_AWS
    assert len(shown) > 10
