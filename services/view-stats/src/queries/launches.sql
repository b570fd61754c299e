-- Launches by day and configuration. An event counts on the day on which it happened; its name is the
-- configuration's newest in the range. Parameters: first and last export day, first day, day after the last.
with copies as (
    select
        kind,
        "at",
        configuration_id,
        configuration_name,
        row_number() over (partition by event_id order by dt, tier) as copy
    from instance_events
    where tier in ('live', 'daily')
        and dt between cast(? as date) and cast(? as date)
        and "at" >= cast(? as timestamp)
        and "at" < cast(? as timestamp)
        and kind in ('requested', 'ready', 'launch_failed')
),

events as (
    select * from copies
    where copy = 1
),

names as (
    select
        configuration_id,
        max_by(configuration_name, "at") as configuration_name
    from events
    group by configuration_id
)

select
    cast(date_trunc('day', events."at") as date) as day,
    events.configuration_id,
    names.configuration_name,
    count_if(events.kind = 'requested') as launches,
    count_if(events.kind = 'ready') as ready,
    count_if(events.kind = 'launch_failed') as failed
from events
inner join names on events.configuration_id = names.configuration_id
group by 1, 2, 3
order by day, configuration_name, configuration_id
