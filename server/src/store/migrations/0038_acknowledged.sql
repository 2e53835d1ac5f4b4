-- That somebody looks after an alert is told to receivers that keep its state themselves.
alter table alert_notifications drop constraint alert_notifications_kind_check;
alter table alert_notifications add constraint alert_notifications_kind_check
  check (kind in ('firing', 'reminder', 'escalation', 'acknowledged', 'resolved', 'daily_summary', 'weekly_report'));
