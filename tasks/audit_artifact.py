"""The audit report as a person reads it in the Prefect UI."""

from __future__ import annotations

from datetime import timedelta

from prefect.artifacts import create_markdown_artifact

from rigline.jobs.audit_report import AGES, AuditReport

KEY = "audit-report"


def publish_audit(report: AuditReport) -> str:
    """A markdown artifact of the running flow, one version a run; its text."""
    text = audit_markdown(report)
    create_markdown_artifact(key=KEY, markdown=text, description="How the review queue fares.")
    return text


def audit_markdown(report: AuditReport) -> str:
    """Backlog, age, agreement and risk, with intervals."""
    oldest = report.queue.oldest_age
    agreement, risk = report.agreement, report.risk
    lines = [
        f"# Review queue, {report.now:%Y-%m-%d %H:%M} UTC",
        "",
        "| | |",
        "|---|---|",
        f"| backlog | {report.queue.backlog} |",
        f"| oldest | {_time(oldest) if oldest else 'none'} |",
        f"| decided in the last {_time(report.window)} | {_decided(report)} |",
        f"| median time for a ticket | "
        f"{_time(report.median_time) if report.median_time is not None else 'none decided'} |",
        f"| agreement of two reviewers | "
        f"{_share(agreement.share, agreement.low, agreement.high, agreement.pairs)} |",
        f"| risk: faulty among what was accepted unseen | "
        f"{_share(risk.estimate, risk.low, risk.high, risk.audited)} |",
        "",
        "## Backlog by age",
        "",
        "| age | tickets |",
        "|---|---|",
    ]
    names = [f"under {_time(bound)}" for bound in AGES] + [f"{_time(AGES[-1])} and more"]
    lines += [
        f"| {name} | {count} |" for name, count in zip(names, report.backlog_by_age, strict=True)
    ]
    lines += ["", "## Backlog by reason", "", "| stage | mentions |", "|---|---|"]
    lines += [f"| {stage} | {count} |" for stage, count in report.backlog_by_reason.items()]
    return "\n".join(lines)


def _decided(report: AuditReport) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.decided.items()))
    return kinds or "nothing"


def _share(share: float | None, low: float, high: float, count: int) -> str:
    if share is None:
        return "not known yet"
    return f"{share:.1%} ({low:.1%} to {high:.1%}, {count} tickets)"


def _time(time: timedelta) -> str:
    seconds = time.total_seconds()
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
