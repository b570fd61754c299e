"""The HTTP API in front of the Lambdas."""

from .session import Session, differing

PAYLOAD_VERSION = "2.0"


def ensure_api(session: Session, name: str, issuer: str, audience: str, routes: dict[str, str]) -> str:
    """The base URL of the API, reachable over loopback.

    `routes` has the function's ARN for every `METHOD /path`; each route wants a token of `issuer` for `audience`.
    """
    gateway = session.client("apigatewayv2")
    api_id = next((api["ApiId"] for api in gateway.get_apis()["Items"] if api["Name"] == name), None)
    if api_id is None:
        api_id = gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        session.changed(f"API {name}")
    if not any(stage["StageName"] == "$default" for stage in gateway.get_stages(ApiId=api_id)["Items"]):
        gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
        session.changed(f"API {name}: stage")
    authorizer_id = _ensure_authorizer(session, api_id, issuer, audience)
    for route, function_arn in routes.items():
        _ensure_route(session, api_id, route, _ensure_integration(session, api_id, function_arn), authorizer_id)
    # The API's own host name resolves nowhere on a plain machine; MiniStack serves the same under a path.
    return f"{session.endpoint}/_aws/execute-api/{api_id}"


def _ensure_authorizer(session: Session, api_id: str, issuer: str, audience: str) -> str:
    gateway = session.client("apigatewayv2")
    wanted = {"JwtConfiguration": {"Issuer": issuer, "Audience": [audience]},
              "IdentitySource": ["$request.header.Authorization"], "AuthorizerType": "JWT"}
    known = next((one for one in gateway.get_authorizers(ApiId=api_id)["Items"] if one["Name"] == "cognito"), None)
    if known is None:
        session.changed("authorizer cognito")
        return gateway.create_authorizer(ApiId=api_id, Name="cognito", **wanted)["AuthorizerId"]
    if differing(wanted, known):
        gateway.update_authorizer(ApiId=api_id, AuthorizerId=known["AuthorizerId"], **wanted)
        session.changed("authorizer cognito: settings")
    return known["AuthorizerId"]


def _ensure_integration(session: Session, api_id: str, function_arn: str) -> str:
    gateway = session.client("apigatewayv2")
    for known in gateway.get_integrations(ApiId=api_id)["Items"]:
        if known.get("IntegrationUri") == function_arn:
            return known["IntegrationId"]
    session.changed(f"integration of {function_arn.rsplit(':', 1)[-1]}")
    return gateway.create_integration(ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn,
                                      IntegrationMethod="POST", PayloadFormatVersion=PAYLOAD_VERSION)["IntegrationId"]


def _ensure_route(session: Session, api_id: str, route: str, integration_id: str, authorizer_id: str) -> None:
    gateway = session.client("apigatewayv2")
    wanted = {"Target": f"integrations/{integration_id}", "AuthorizationType": "JWT", "AuthorizerId": authorizer_id}
    known = next((one for one in gateway.get_routes(ApiId=api_id)["Items"] if one["RouteKey"] == route), None)
    if known is None:
        gateway.create_route(ApiId=api_id, RouteKey=route, **wanted)
        session.changed(f"route {route}")
    elif differing(wanted, known):
        gateway.update_route(ApiId=api_id, RouteId=known["RouteId"], RouteKey=route, **wanted)
        session.changed(f"route {route}: settings")
