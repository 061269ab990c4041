"""Deployments on moto: change sets, parameters, tags, what is asked for and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from infra.deploy.deployment import Deployment
from infra.deploy.errors import DeployError, RefusedError
from infra.deploy.stack import Stack
from tests.deploy.console import Recorder
from tests.deploy.project import EVERYTHING, Template

Deploy = Callable[..., Deployment]


def more(template: Template) -> None:
    template["Resources"]["Second"] = {"Type": "AWS::SNS::Topic"}


def without_log(template: Template) -> None:
    del template["Resources"]["ApiLogGroup"]


def names(stack: Stack) -> set[str]:
    # moto lists what a change set would add, without a name.
    return {resource.name for resource in stack.resources() if resource.name}


def retention(stack: Stack) -> dict[str, int]:
    groups = stack.target.client("logs").describe_log_groups()["logGroups"]
    return {group["logGroupName"]: int(group["retentionInDays"]) for group in groups}


def test_the_first_deployment_makes_the_stack(deployment: Deploy, stack: Stack) -> None:
    first = deployment()
    assert first.run().status == "CREATE_COMPLETE"
    assert {(change.verb, change.name) for change in first.done} == {("add", "ApiLogGroup"), ("add", "Topic")}
    assert names(stack) == {"ApiLogGroup", "Topic"}


def test_the_changes_are_shown_before_they_are_made(deployment: Deploy, stack: Stack) -> None:
    console = Recorder("n\n")
    with pytest.raises(RefusedError, match="not confirmed; nothing was changed"):
        deployment(console=console).run()
    told = console.told
    assert "desk at AWS account 123456789012, region eu-west-1:" in told
    assert "+  add  ApiLogGroup  AWS::Logs::LogGroup" in told
    assert "2 to add" in told
    assert told.endswith("Create desk? [y/N] ")
    assert stack.look() is None, "the empty stack of a refused change set is gone too"


def test_a_confirmed_deployment_goes_on(deployment: Deploy, stack: Stack) -> None:
    deployment(console=Recorder("y\n")).run()
    console = Recorder("Y\n")
    assert deployment(more, console=console).run().status == "UPDATE_COMPLETE"
    assert "Change desk? [y/N]" in console.told


def test_where_nobody_can_be_asked_it_needs_yes(deployment: Deploy, stack: Stack) -> None:
    with pytest.raises(RefusedError, match="--yes"):
        deployment(console=Recorder()).run()
    assert stack.look() is None


def test_a_refused_update_leaves_the_stack(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    with pytest.raises(RefusedError):
        deployment(more, console=Recorder("\n")).run()
    state = stack.look()
    assert state is not None and state.status == "CREATE_COMPLETE"
    assert names(stack) == {"ApiLogGroup", "Topic"}
    assert stack.client.list_change_sets(StackName="desk")["Summaries"][1:] == []


def test_the_events_are_shown_as_they_come(deployment: Deploy) -> None:
    console = Recorder(yes=True)
    deployment(console=console).run()
    told = console.told
    assert told.index("CREATE_IN_PROGRESS") < told.index("CREATE_COMPLETE")
    assert "desk  (AWS::CloudFormation::Stack)" in told
    assert "REVIEW_IN_PROGRESS" not in told, "what was before the change set ran is no news"


def test_a_second_deployment_of_the_same_changes_nothing(deployment: Deploy, stack: Stack) -> None:
    deployment(given=EVERYTHING).run()
    events = stack.client.describe_stack_events(StackName="desk")["StackEvents"]
    console = Recorder()  # nobody there: there is nothing to ask
    again = deployment(console=console, given={})
    assert again.run().status == "CREATE_COMPLETE"
    assert again.done == []
    assert "desk: no changes" in console.told
    assert stack.client.describe_stack_events(StackName="desk")["StackEvents"] == events


def test_a_new_resource_is_added(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    second = deployment(more, given={})
    assert second.run().status == "UPDATE_COMPLETE"
    assert [(change.verb, change.name) for change in second.done] == [("add", "Second")]
    assert "Second" in names(stack)


def test_parameters_reach_the_resources(deployment: Deploy, stack: Stack) -> None:
    deployment(given={"RedisUrl": "redis://own", "LogDays": "7"}).run()
    assert retention(stack) == {"/coatcheck/desk/api": 7}


def test_a_new_stack_is_named_after_itself(deployment: Deploy, stack: Stack) -> None:
    state = deployment().run()
    assert state.parameters["Name"] == "desk"


def test_a_name_that_is_given_is_taken(deployment: Deploy, stack: Stack) -> None:
    deployment(given={"RedisUrl": "redis://own", "Name": "other"}).run()
    assert retention(stack) == {"/coatcheck/other/api": 365}


def test_a_stack_whose_name_the_template_refuses_needs_another(deployment: Deploy, stack: Stack) -> None:
    def short(template: Template) -> None:
        template["Parameters"]["Name"]["MaxLength"] = 3

    with pytest.raises(DeployError, match="--parameter Name: 'desk' should have 0 to 3 characters"):
        deployment(short).run()


def test_what_is_not_given_again_stays_as_it_is(deployment: Deploy, stack: Stack) -> None:
    deployment(given={"RedisUrl": "redis://own", "LogDays": "7"}).run()
    state = deployment(more, given={}).run()
    assert state.parameters["RedisUrl"] == "redis://own"
    assert retention(stack) == {"/coatcheck/desk/api": 7}


def test_a_parameter_without_a_value_is_asked_for(deployment: Deploy, stack: Stack) -> None:
    def new(template: Template) -> None:
        template["Parameters"]["Colour"] = {"Type": "String", "Description": "The colour of the desk."}

    with pytest.raises(DeployError, match=r"--parameter Colour=... is needed: The colour of the desk."):
        deployment(new).run()
    assert stack.look() is None


def test_everything_is_tagged(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    (found,) = stack.client.describe_stacks(StackName="desk")["Stacks"]
    assert found["Tags"] == [{"Key": "coatcheck:stack", "Value": "desk"}]


def test_data_is_not_deleted_unless_it_is_named(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    console = Recorder(yes=True)
    with pytest.raises(RefusedError) as caught:
        deployment(without_log, console=console).run()
    assert str(caught.value).splitlines() == [
        "it would delete ApiLogGroup (AWS::Logs::LogGroup)",
        "what it holds would be lost; if that is meant: --allow-replace ApiLogGroup",
    ]
    assert "-  delete  ApiLogGroup" in console.told
    assert "ApiLogGroup" in names(stack)
    deployment(without_log, allowed=["ApiLogGroup"]).run()
    assert "ApiLogGroup" not in names(stack)


def test_a_name_that_is_allowed_but_not_touched_is_a_mistake(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    with pytest.raises(DeployError, match="--allow-replace Redis: no such resource is changed"):
        deployment(more, allowed=["Redis"]).run()
    assert names(stack) == {"ApiLogGroup", "Topic"}


def denied(stack: Stack) -> list[str]:
    policy = json.loads(stack.client.get_stack_policy(StackName="desk")["StackPolicyBody"])
    (statement,) = [entry for entry in policy["Statement"] if entry["Effect"] == "Deny"]
    assert statement["Action"] == ["Update:Replace", "Update:Delete"]
    return list(statement["Resource"])


def test_cloudformation_is_told_to_refuse_it_too(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    assert denied(stack) == ["LogicalResourceId/ApiLogGroup"]


def test_what_is_allowed_once_is_protected_again_afterwards(
    deployment: Deploy, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(template: Template) -> None:
        template["Resources"]["Other"] = {"Type": "AWS::Logs::LogGroup"}

    policies = []
    stack.client.meta.events.register(
        "before-parameter-build.cloudformation.SetStackPolicy",
        lambda params, **_: policies.append(params["StackPolicyBody"].count("LogicalResourceId/")),
    )
    deployment(two).run()
    deployment(without_log, allowed=["ApiLogGroup", "Other"]).run()
    assert policies == [2, 0, 0]
    deployment().run()
    assert denied(stack) == ["LogicalResourceId/ApiLogGroup"]


def test_a_preview_shows_the_changes_and_leaves_nothing(deployment: Deploy, stack: Stack) -> None:
    preview = deployment().preview()
    assert preview is not None
    assert {change.name for change in preview.changes} == {"ApiLogGroup", "Topic"}
    assert stack.look() is None


def test_a_preview_of_an_update_leaves_the_stack(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    preview = deployment(more).preview()
    assert preview is not None
    assert [change.name for change in preview.changes] == ["Second"]
    assert names(stack) == {"ApiLogGroup", "Topic"}


def test_a_preview_of_the_same_shows_nothing(deployment: Deploy) -> None:
    deployment(given=EVERYTHING).run()
    assert deployment(given={}).preview() is None
