-- Begun by rule while an alert on uptime fires.
alter table recoveries drop constraint recoveries_procedure_check;
alter table recoveries add constraint recoveries_procedure_check check (procedure in
  ('rescue_expired_attempts', 'make_up_ticks', 'set_aside', 'trip_breaker', 'trip_target', 'pause', 'reduce', 'failover'));
