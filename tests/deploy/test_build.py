"""What is uploaded, and the template that names it."""

from __future__ import annotations

import hashlib
import json

import pytest

from infra.deploy.artefacts import Artefacts
from infra.deploy.build import place
from infra.deploy.target import Target

FUNCTION = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./deployment.zip"}}
ELSEWHERE = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": {"Bucket": "b", "Key": "k"}}}
TEMPLATE = {"Resources": {"A": FUNCTION, "B": FUNCTION, "C": ELSEWHERE, "Topic": {"Type": "AWS::SNS::Topic"}}}


@pytest.fixture
def artefacts(target: Target) -> Artefacts:
    artefacts = Artefacts(target, "desk")
    artefacts.prepare()
    return artefacts


def test_the_template_names_the_uploaded_package(target: Target, artefacts: Artefacts) -> None:
    url = place(b"code", TEMPLATE, artefacts)
    s3 = target.client("s3")
    key = url.removeprefix(f"https://{artefacts.bucket}.s3.eu-west-1.amazonaws.com/")
    made = json.loads(s3.get_object(Bucket=artefacts.bucket, Key=key)["Body"].read())["Resources"]
    code = made["A"]["Properties"]["CodeUri"]
    assert code == {"Bucket": artefacts.bucket, "Key": f"functions/{hashlib.sha256(b'code').hexdigest()}.zip"}
    assert made["B"] == made["A"]
    assert made["C"] == ELSEWHERE
    assert s3.get_object(**code)["Body"].read() == b"code"
    assert FUNCTION["Properties"] == {"CodeUri": "./deployment.zip"}, "the template itself is left alone"


def test_the_same_project_has_the_same_url(artefacts: Artefacts) -> None:
    assert place(b"code", TEMPLATE, artefacts) == place(b"code", TEMPLATE, artefacts)
    assert place(b"code", TEMPLATE, artefacts) != place(b"other", TEMPLATE, artefacts)
