"""Who passes API Gateway: the template's parameter AuthMode in the API's definition, which Chalice writes."""

from __future__ import annotations

import copy
from typing import Any

Template = dict[str, Any]

PARAMETER = "AuthMode"
API = "RestAPI"
"""Chalice's logical id of the API."""
NOTHING = {"Ref": "AWS::NoValue"}
SIGNED = "sigv4"
SIGNATURE = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "awsSigv4",
}
"""How API Gateway's extensions to OpenAPI ask for a signed request."""


def choose(template: Template) -> Template:
    """The merged template with what it asks of callers made to depend on its conditions.

    What Chalice asks of a method, its authorizer, holds with AuthTokens; with AuthIam, a signature; else
    nothing. A method of which Chalice asks nothing stays open.
    """
    chosen = copy.deepcopy(template)
    definition = chosen["Resources"][API]["Properties"]["DefinitionBody"]
    definition["securityDefinitions"] = {
        **{name: _if("AuthTokens", found) for name, found in definition["securityDefinitions"].items()},
        SIGNED: _if("AuthIam", SIGNATURE),
    }
    for methods in definition["paths"].values():
        for method in methods.values():
            if "security" in method:
                signed = _if("AuthIam", [{SIGNED: []}])
                method["security"] = _if("AuthTokens", method["security"], signed)
    return chosen


def mark(template: Template, mode: str) -> Template:
    """The template with the parameter's value written into the API's definition.

    SAM makes a new deployment of an API only when the text of its definition changes, and a parameter's
    value is not in it: without the mark, another mode would not reach the stage.
    """
    marked = copy.deepcopy(template)
    if API in marked["Resources"]:
        info = marked["Resources"][API]["Properties"]["DefinitionBody"]["info"]
        info["description"] = f"Who may call it: {mode}"
    return marked


def _if(condition: str, value: Any, otherwise: Any = NOTHING) -> dict[str, Any]:
    return {"Fn::If": [condition, value, otherwise]}
