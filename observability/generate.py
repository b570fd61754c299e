#!/usr/bin/env python3
"""Makes the Prometheus rules and the Grafana dashboards: the rules from alarms.json, the dashboards from what is here.

Without arguments it writes them; with --check it only says which are not as it would write them."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
QUIET = 'route!~"/healthz|/readyz|/metrics|.*/events"'


def rules(alarms):
    """One group; YAML is written by hand because every JSON string is a YAML string."""
    lines = ["# Made by generate.py from alarms.json.", "groups:", "  - name: cloudapp", "    rules:"]
    for name, alarm in alarms.items():
        rule = alarm["prometheus"]
        if rule is None:
            continue
        lines += [
            f"      - alert: {name}",
            f"        expr: {json.dumps(rule['expr'])}",
            f"        for: {rule['for']}",
            f"        labels: {{severity: {alarm['severity']}}}",
            f"        annotations: {{summary: {json.dumps(alarm['summary'])}, runbook: docs/runbooks/{name}.md}}",
        ]
    return "\n".join(lines) + "\n"


def p(quantile, metric, by="", where=""):
    labels = f"le, {by}" if by else "le"
    rate = f"rate({metric}_bucket{{{where}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({labels}) ({rate}))"


def rate(metric, by="", where=""):
    total = f"rate({metric}{{{where}}}[$__rate_interval])"
    return f"sum by ({by}) ({total})" if by else f"sum({total})"


def panel(title, unit, *queries, kind="timeseries", text=""):
    """A query is an expression and its legend."""
    return {"title": title, "unit": unit, "queries": queries, "kind": kind, "text": text}


LAUNCHES = [
    panel("Time to login", "s",
          (p(0.5, "cloudapp_execution_seconds", where='kind="launch",outcome="succeeded"'), "half"),
          (p(0.95, "cloudapp_execution_seconds", where='kind="launch",outcome="succeeded"'), "nineteen in twenty"),
          text="From the click to the login details."),
    panel("Step by step", "s", (p(0.95, "cloudapp_execution_step_seconds", "step", 'kind="launch"'), "{{step}}"),
          text="Each step of a launch, waits included; nineteen in twenty take less."),
    panel("Outcomes", "ops", (rate("cloudapp_executions_total", "kind, outcome"), "{{kind}} {{outcome}}")),
    panel("Stuck", "short", ("max(cloudapp_executions_stuck)", "executions"), kind="stat",
          text="Wait for a person."),
    panel("Queue", "short", ("max(cloudapp_placement_queue)", "launches")),
    panel("Queue age", "s", ("max(cloudapp_placement_queue_age_seconds)", "the oldest")),
    panel("Batch size", "short", (p(0.5, "cloudapp_launch_batch_machines"), "half"),
          (p(0.95, "cloudapp_launch_batch_machines"), "nineteen in twenty")),
    panel("Attempts", "ops", (rate("cloudapp_launch_attempts_total", "outcome"), "{{outcome}}")),
    panel("Fallbacks", "ops", (rate("cloudapp_launch_fallbacks_total", "kind"), "{{kind}}")),
    panel("Spares", "short", ("sum by (standing) (cloudapp_pool_spares)", "{{standing}}"),
          ("sum(cloudapp_pool_wanted)", "wanted")),
    panel("Pool claims and misses", "ops", (rate("cloudapp_pool_claims_total"), "claimed"),
          (rate("cloudapp_pool_misses_total"), "missed")),
    panel("Refused by limits", "ops", (rate("cloudapp_limit_refusals_total"), "launches")),
]

ENGINE = [
    panel("Leases held", "short", ("sum(cloudapp_workflow_running)", "executions")),
    panel("Leases lost", "ops", (rate("cloudapp_workflow_leases_lost_total"), "runs")),
    panel("Claimed at a look", "short", (p(0.95, "cloudapp_workflow_claimed_executions"), "nineteen in twenty")),
    panel("Runs of steps", "s", (p(0.95, "cloudapp_workflow_step_seconds", "step"), "{{step}}")),
    panel("Outbox lag", "s", ("max by (topic) (cloudapp_outbox_lag_seconds)", "{{topic}}")),
    panel("Outbox", "short", ("max by (topic) (cloudapp_outbox_waiting)", "{{topic}}")),
    panel("Limiter", "s", (p(0.95, "cloudapp_limiter_wait_seconds", "family"), "{{family}}"),
          text="How long calls to EC2 waited for their turn."),
    panel("Calls to EC2", "ops", (rate("cloudapp_ec2_calls_total", "action, outcome"), "{{action}} {{outcome}}")),
    panel("Throttled by AWS", "ops", (rate("cloudapp_ec2_throttled_total", "family"), "{{family}}")),
    panel("Calls to AWS", "s", (p(0.95, "cloudapp_aws_call_seconds", "service, operation"), "{{service}}:{{operation}}")),
    panel("Calls to AWS that fail", "ops",
          (rate("cloudapp_aws_call_seconds_count", "service, operation, outcome", 'outcome!="ok"'),
           "{{service}}:{{operation}} {{outcome}}")),
    panel("Machines described", "ops", (rate("cloudapp_describe_machines_total"), "machines")),
    panel("Orphans", "short", ("max(cloudapp_orphans)", "machines"), kind="stat"),
    panel("Repairs", "ops", (rate("cloudapp_drift_total", "kind"), "{{kind}}")),
    panel("Events refused", "ops", (rate("cloudapp_events_refused_total"), "messages")),
    panel("Duties", "short", ("sum by (duty) (cloudapp_duty_held)", "{{duty}}"),
          text="Each is held by exactly one replica."),
]

REQUESTS = [
    panel("Requests", "reqps", (rate("cloudapp_http_request_seconds_count", "route", QUIET), "{{route}}")),
    panel("Latency by route", "s", (p(0.95, "cloudapp_http_request_seconds", "route", QUIET), "{{route}}")),
    panel("Errors by route", "reqps",
          (rate("cloudapp_http_request_seconds_count", "route, status", 'status=~"5..",' + QUIET), "{{status}} {{route}}")),
    panel("Refusals by route", "reqps",
          (rate("cloudapp_http_request_seconds_count", "route, status", 'status=~"4..",' + QUIET), "{{status}} {{route}}")),
    panel("Sign-ins", "ops", (rate("cloudapp_sign_ins_total", "outcome"), "{{outcome}}")),
    panel("Tokens refused", "ops", (rate("cloudapp_tokens_refused_total", "reason"), "{{reason}}"),
          (rate("cloudapp_issuer_keys_failures_total"), "keys not fetched")),
    panel("Dependencies", "short", ("min by (dependency) (cloudapp_dependency_up)", "{{dependency}}"), kind="stat"),
    panel("Configurations changed", "ops", (rate("cloudapp_configuration_changes_total", "change"), "{{change}}")),
    panel("Athena reads", "bytes", ("sum(increase(cloudapp_athena_scanned_bytes_sum[1d]))", "in a day"), kind="stat"),
]


def dashboard(uid, title, panels):
    drawn = []
    for number, it in enumerate(panels):
        drawn.append({
            "id": number + 1,
            "title": it["title"],
            "description": it["text"],
            "type": it["kind"],
            "datasource": SOURCE,
            "gridPos": {"h": 8, "w": 8, "x": number % 3 * 8, "y": number // 3 * 8},
            "fieldConfig": {"defaults": {"unit": it["unit"], "min": 0}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                for n, (expression, legend) in enumerate(it["queries"])
            ],
        })
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid, "title": title, "tags": ["cloudapp"], "schemaVersion": 39, "editable": False, "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"}, "templating": {"list": [source]}, "panels": drawn,
    }


def files():
    alarms = json.loads((HERE / "alarms.json").read_text(encoding="utf-8"))["alarms"]
    yield HERE / "prometheus-rules.yaml", rules(alarms)
    for uid, title, panels in [
        ("cloudapp-launches", "CloudApp: launches", LAUNCHES),
        ("cloudapp-engine", "CloudApp: engine", ENGINE),
        ("cloudapp-requests", "CloudApp: requests", REQUESTS),
    ]:
        text = json.dumps(dashboard(uid, title, panels), indent=1) + "\n"
        yield HERE / "dashboards" / f"{uid}.json", text


def main():
    check, wrong = sys.argv[1:] == ["--check"], []
    for path, text in files():
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                wrong.append(str(path.relative_to(HERE)))
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if wrong:
        sys.exit(f"not as generate.py writes them, run it: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
