-- Other hours of the day as a recommendation.

alter table adjustments drop constraint adjustments_kind_check;
alter table adjustments add constraint adjustments_kind_check check (kind in ('model', 'batch', 'hours'));
