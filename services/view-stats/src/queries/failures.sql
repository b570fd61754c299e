-- Failed launches by reason. Parameters as in launches.sql.
with copies as (
    select
        "at",
        outcome,
        reason,
        row_number() over (partition by event_id order by dt, tier) as copy
    from instance_events
    where tier in ('live', 'daily')
        and dt between cast(? as date) and cast(? as date)
        and "at" >= cast(? as timestamp)
        and "at" < cast(? as timestamp)
        and kind = 'launch_failed'
)

select
    coalesce(outcome, 'internal') as code,
    count(*) as failures,
    max_by(reason, "at") as latest_reason
from copies
where copy = 1
group by coalesce(outcome, 'internal')
order by failures desc, code
