"""The commands as one calls them: what they print, as text and as JSON, and their exit status."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.cli import build_parser, main
from infra.deploy.build import Build
from infra.deploy.commands import COMMANDS, Call
from infra.deploy.deployment import Deployment
from infra.deploy.errors import RefusedError
from infra.deploy.options import COMMANDS as OFFERED
from infra.deploy.stack import Stack
from tests.deploy import answers
from tests.deploy.conftest import REGION
from tests.deploy.console import Recorder
from tests.deploy.project import EVERYTHING, small

Deploy = Callable[..., Deployment]
Run = Callable[..., "Result"]
HERE = ["--stack", "desk", "--region", REGION]


class Result:
    """What a command has said and how it ended."""

    def __init__(self, status: int, console: Recorder) -> None:
        self.status = status
        assert isinstance(console.output, io.StringIO)
        self.output = console.output.getvalue()
        self.told = console.told

    @property
    def document(self) -> Any:
        return json.loads(self.output)


@pytest.fixture
def run(stack: Stack) -> Run:
    """Runs a command on the small template: ``run("deploy", "--json", console=...)``."""

    def run(*arguments: str, console: Recorder | None = None) -> Result:
        console = console or Recorder(yes=True)
        parsed = build_parser().parse_args(arguments)
        template = small()
        call = Call(
            parsed,
            stack,
            console,
            template["Parameters"],
            EVERYTHING,
            lambda: Build(b"code", template),
        )
        return Result(COMMANDS[parsed.command](call), console)

    return run


@pytest.fixture
def existing(stack: Stack, stub: Callable[..., Stubber]) -> Callable[..., Stubber]:
    """A stack that is there, as CloudFormation tells it: moto has no outputs after a change set."""

    def existing(status: str = "UPDATE_COMPLETE", **outputs: str) -> Stubber:
        outputs = {"EndpointURL": "https://api.example/api/"} | outputs
        stubbed = stub(stack.target, "cloudformation")
        stubbed.add_response("describe_stacks", answers.stacks(status, **outputs))
        return stubbed

    return existing


def test_every_command_that_is_offered_can_be_carried_out() -> None:
    assert set(COMMANDS) == set(OFFERED)


def test_deploy_tells_what_it_did_as_json(run: Run) -> None:
    result = run("deploy", "--json")
    document = result.document
    assert document["stack"] == "desk"
    assert document["target"] == "aws"
    assert document["region"] == REGION
    assert document["account"] == "123456789012"
    assert document["status"] == "CREATE_COMPLETE"
    names = [(change["verb"], change["name"]) for change in document["changes"]]
    assert sorted(names) == [("add", "ApiLogGroup"), ("add", "Topic")]
    assert run("deploy", "--json").document["changes"] == []
    assert result.told, "the progress is told all the same"


def test_deploy_tells_how_to_make_the_first_token(run: Run) -> None:
    assert "It asks for a token; to make one: coatcheck token create NAME --stack desk" in run("deploy").told


def test_deploy_passes_on_what_may_be_replaced(run: Run, deployment: Deploy, stack: Stack) -> None:
    def other(template: dict[str, Any]) -> None:
        template["Resources"]["Old"] = {"Type": "AWS::Logs::LogGroup"}

    deployment(other).run()
    with pytest.raises(RefusedError, match="--allow-replace Old"):
        run("deploy")
    assert run("deploy", "--allow-replace", "Old").status == 0
    assert "Old" not in {resource.name for resource in stack.resources()}


def test_diff_shows_the_table(run: Run) -> None:
    result = run("diff")
    assert result.status == 0
    assert result.output.splitlines() == [
        "  +  add  ApiLogGroup  AWS::Logs::LogGroup",
        "  +  add  Topic        AWS::SNS::Topic",
        "  2 to add",
    ]


def test_diff_as_json(run: Run) -> None:
    document = run("diff", "--json").document
    assert document["changed"] is True
    assert document["changes"][0] == {
        "verb": "add",
        "name": "ApiLogGroup",
        "type": "AWS::Logs::LogGroup",
        "causes": [],
    }
    run("deploy")
    assert run("diff", "--json").document == {"stack": "desk", "changed": False, "changes": []}
    assert run("diff").output == "no changes\n"


def test_outputs_are_printed_with_the_url(run: Run, existing: Callable[..., Stubber]) -> None:
    existing(RestAPIId="abc")
    assert run("outputs").output.splitlines() == [
        "EndpointURL  https://api.example/api/",
        "RestAPIId    abc",
        "URL          https://api.example/api/",
    ]


def test_outputs_as_json(run: Run, existing: Callable[..., Stubber]) -> None:
    existing(RestAPIId="abc")
    assert run("outputs", "--json").document["URL"] == "https://api.example/api/"


def test_the_status_of_a_healthy_stack(run: Run, existing: Callable[..., Stubber]) -> None:
    existing().add_response("list_stack_resources", answers.resources())
    result = run("status")
    assert result.status == 0
    first, url = result.output.splitlines()
    assert first.startswith("desk: UPDATE_COMPLETE since 2026-11-")
    assert first.endswith(", AWS account 123456789012, region eu-west-1")
    assert url == "https://api.example/api/"


def rolled_back(cloudformation: Stubber) -> None:
    failed = ("Topic", "AWS::SNS::Topic", "UPDATE_FAILED", "No")
    listed = answers.resources(("Topic", "AWS::SNS::Topic", "t"))
    listed["StackResourceSummaries"][0] |= {"ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "No"}
    cloudformation.add_response("list_stack_resources", listed)
    begun = ("desk", answers.STACK, "UPDATE_IN_PROGRESS", "User Initiated")
    cloudformation.add_response("describe_stack_events", answers.events(begun, failed))


def test_the_status_of_a_failed_update_names_what_failed(run: Run, existing: Callable[..., Stubber]) -> None:
    rolled_back(existing("UPDATE_ROLLBACK_COMPLETE"))
    result = run("status")
    assert result.status == 1
    assert result.output.splitlines()[2:] == [
        "Topic (AWS::SNS::Topic) failed: No",
        "  UPDATE_FAILED  Topic  No",
    ]


def test_the_status_as_json(run: Run, existing: Callable[..., Stubber]) -> None:
    rolled_back(existing("UPDATE_ROLLBACK_COMPLETE"))
    document = run("status", "--json").document
    assert document["healthy"] is False
    assert document["failure"] == {"name": "Topic", "type": "AWS::SNS::Topic", "reason": "No"}
    assert document["changed"] == "2026-11-25T03:00:00+00:00"


def test_a_stack_at_work_is_no_failure(run: Run, existing: Callable[..., Stubber]) -> None:
    existing("UPDATE_IN_PROGRESS").add_response("list_stack_resources", answers.resources())
    assert run("status").status == 0


def test_logs_are_lines_or_json(run: Run, stack: Stack) -> None:
    run("deploy")
    client = stack.target.client("logs")
    client.create_log_stream(logGroupName="/coatcheck/desk/api", logStreamName="s")
    now = int(time.time() * 1000)
    client.put_log_events(
        logGroupName="/coatcheck/desk/api",
        logStreamName="s",
        logEvents=[{"timestamp": now - 1, "message": "one"}, {"timestamp": now, "message": "two"}],
    )
    assert [line.split()[2:] for line in run("logs").output.splitlines()] == [["api", "one"], ["api", "two"]]
    documents = [json.loads(line) for line in run("logs", "--json", "--since", "1h").output.splitlines()]
    assert [(entry["source"], entry["text"]) for entry in documents] == [("api", "one"), ("api", "two")]


def test_destroy_shows_what_goes_and_asks_for_the_name(run: Run, stack: Stack) -> None:
    run("deploy")
    console = Recorder("y\n")
    with pytest.raises(RefusedError):
        run("destroy", console=console)
    assert "  delete  ApiLogGroup  AWS::Logs::LogGroup" in console.told
    assert console.told.endswith("Type its name to delete desk: ")
    assert stack.look() is not None
    assert run("destroy", console=Recorder("desk\n")).output == "nothing remains\n"
    assert stack.look() is None


def test_destroy_as_json(run: Run) -> None:
    run("deploy")
    assert run("destroy", "--json").document == {"stack": "desk", "kept": [], "snapshots": []}


def test_destroying_what_is_not_there_is_done(run: Run) -> None:
    result = run("destroy")
    assert result.status == 0
    assert "there is no stack desk" in result.told


def test_destroy_takes_the_bucket_of_an_unconfirmed_deployment(run: Run, stack: Stack) -> None:
    with pytest.raises(RefusedError):
        run("deploy", console=Recorder("n\n"))
    s3 = stack.target.client("s3")
    assert len(s3.list_buckets()["Buckets"]) == 1
    run("destroy")
    assert s3.list_buckets()["Buckets"] == []


# From here on through the command itself.


def test_errors_are_one_line_and_a_status(aws: boto3.Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", *HERE]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "coatcheck: there is no stack desk at AWS account 123456789012, region eu-west-1;"
        " make it: coatcheck deploy --stack desk\n"
    )


def test_the_command_finds_a_stack(
    aws: boto3.Session, deployment: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment().run()
    assert main(["status", *HERE]) == 0
    assert capsys.readouterr().out.startswith("desk: CREATE_COMPLETE since ")
    assert main(["destroy", *HERE, "--yes"]) == 0
    assert capsys.readouterr().out == "nothing remains\n"


def test_a_reader_that_has_seen_enough_is_no_fault(
    aws: boto3.Session, deployment: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment().run()
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert main(["outputs", *HERE]) == 0


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_without_a_terminal_nothing_begins_without_yes(
    environ: None, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main([command]) == 3
    assert "confirm with --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["deploy", "--yes", "--parameter", "Nme=x"], "--parameter Nme: the template has no such parameter"),
        (["diff", "--parameter", "WorkerMin=many"], "--parameter WorkerMin: 'many' is not a number"),
        (["diff", "--region", REGION], "no AWS credentials were found"),
        (["status"], "no AWS region is set"),
        (["status", "--region", REGION, "--stack", "a_b"], "no AWS credentials were found"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(
    environ: None, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"coatcheck: {message}")
    assert captured.out == ""


def test_a_stack_has_a_name_that_cloudformation_takes(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--region", REGION, "--stack", "a_b"]) == 2
    assert "--stack a_b: a stack's name has up to 128 letters" in capsys.readouterr().err


def test_a_folder_without_a_package_is_told(aws: boto3.Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *HERE, "--package", "/nonexistent"]) == 2
    assert "/nonexistent holds no function package" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_spans_of_time(text: str, seconds: int) -> None:
    assert build_parser().parse_args(["logs", "--since", text]).since == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "1w", "1.5h"])
def test_what_is_no_span_of_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["logs", f"--since={text}"])
    assert "should be like 90s, 10m, 2h or 1d" in capsys.readouterr().err


def test_the_exit_statuses_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", "--help"])
    told = capsys.readouterr().out
    for line in (
        "  0  done",
        "  1  AWS tried and failed",
        "  2  wrong",
        "  3  not confirmed",
        "130  stopped",
    ):
        assert f"\n{line}" in told


def test_other_commands_do_not_pay_for_boto3() -> None:
    code = (
        "import sys, infra.cli; infra.cli.build_parser();"
        "print([name for name in sys.modules if name.partition('.')[0] in ('boto3', 'botocore', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
