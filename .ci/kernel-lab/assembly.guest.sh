# Guest script: arrays in the states that assembly has to tell apart. make-fixtures runs it and cuts the images.
#
# /dev/vdb, vdc and vdd hold the content pattern with three seeds: vdb is what every array begins with, the others are
# what is written later, so that a block of a stale member shows in the content.
# The note of an array has _ for blanks, and may be followed by `back=` and `restore=`, which ask make-fixtures for what
# no guest can time: see there. The last arrays are left running: they are dirty when the power is cut.
data=32 # where the data of a member begins, in blocks of 4 KiB

create() { # name level members: an array full of the first pattern, clean and scrubbed
  name=$1 level=$2 count=$3 metadata=1.2 chunk=4 layout=left-symmetric
  members "$name" "$count"
  set -- --level="$level" --raid-devices="$count" --metadata=$metadata --bitmap=none --assume-clean --data-offset=128K
  case $level in
    1) chunk=0 layout=- ;;
    10) layout=n2 ;;
  esac
  [ "$level" = 1 ] || set -- "$@" --chunk=$chunk --layout=$layout
  quiet mdadm --create $array --run "$@" $carved
  overwrite /dev/vdb 0 4096
  repair
  [ "$mismatch" = 0 ] || echo "FAILED: $name mismatch=$mismatch"
}
member() { echo "/dev/mapper/$name.$1"; }
overwrite() { # pattern first count: in blocks of 4 KiB, through the array; reaches the members before it returns
  dd if="$1" of=$array bs=4k skip="$2" seek="$2" count="$3" conv=notrunc,fsync 2>/tmp/dd.log ||
    grep -q "No space left" /tmp/dd.log || cat /tmp/dd.log
}
# rounds: writes with the array going clean in between, as in use; each takes the event count further
rounds() {
  for at in 0 17 40 90; do overwrite /dev/vdc $at 9; echo clean >$md/array_state; sleep 0.1; done
}
stay_dirty() { # from the next write on: never falls back to clean by itself
  echo 0 >$md/safe_mode_delay; sleep 0.5 # a timer that is under way still fires
  echo clean >$md/array_state; sleep 0.2
}

create stale-removed-r5 5 3
quiet mdadm $array --fail "$(member 1)"; rounds; quiet mdadm $array --remove "$(member 1)"; rounds
made "note=member_1_failed,_removed,_then_the_array_was_written_to"; stop

create stale-failed-r5 5 3
quiet mdadm $array --fail "$(member 1)"; rounds
made "note=member_1_failed_and_still_listed_as_faulty,_then_the_array_was_written_to"; stop

create stale-r6 6 5
quiet mdadm $array --fail "$(member 1)"; rounds
quiet mdadm $array --fail "$(member 3)"; overwrite /dev/vdd 20 60; echo clean >$md/array_state
made "note=members_1_and_3_failed_one_after_the_other,_with_writes_after_each"; stop

# Two halves that each went on alone: the machine once found only the one, once only the other.
create split-brain-r1 1 2; stop
quiet mdadm --assemble --run $array "$(member 0)"; overwrite /dev/vdc 0 20; one=$(fresh; digest $array); stop
quiet mdadm --assemble --run $array "$(member 1)"; overwrite /dev/vdd 10 20
made "note=no_right_answer:_each_half_was_assembled_and_written_alone;_half_0_reads_$one,_half_1_the_md5_given"; stop

# Each half calls the other faulty, with equal event counts: two copies of one array, in each another member fails.
create mutual-faulty-r1 1 2; stop
one_places=$places; members mutual-twin 2
for i in 0 1; do dd if="$(member $i)" of=/dev/mapper/mutual-twin.$i bs=64k conv=fsync 2>/dev/null; done; fresh
quiet mdadm --assemble --run $array "$(member 0)" "$(member 1)"
quiet mdadm $array --fail "$(member 1)"; overwrite /dev/vdc 0 20; one=$(fresh; digest $array); stop
quiet mdadm --assemble --run $array /dev/mapper/mutual-twin.0 /dev/mapper/mutual-twin.1
quiet mdadm $array --fail /dev/mapper/mutual-twin.0; overwrite /dev/vdd 10 20
places=${one_places%,*},${places#*,}
made "note=no_right_answer:_each_half_calls_the_other_faulty,_with_equal_events;_half_0_reads_$one,_half_1_the_md5_given"; stop

# A resync and recoveries that were stopped at sector 512 of the member size 1024.
create resyncing-r5 5 3
echo frozen >$md/sync_action; echo 512 >$md/sync_max; echo 0 >$md/resync_start
corrupt_block=$((data + 100)) # parity of a row past the stop: to be made right by the rest of the resync
dd if=/dev/vdd of="$(member 1)" bs=4k seek=$corrupt_block count=1 conv=notrunc,fsync 2>/dev/null
echo idle >$md/sync_action
until [ "$(cat $md/sync_completed)" = "512 / 1024" ]; do sleep 0.05; done; sleep 0.3
made "note=clean_stop_in_the_middle_of_a_resync"; stop

create recovering-r5 5 3
quiet mdadm $array --fail "$(member 2)" --remove "$(member 2)"; rounds
quiet mdadm --zero-superblock "$(member 2)"; dd if=/dev/zero of="$(member 2)" bs=64k 2>/dev/null
echo 512 >$md/sync_max; quiet mdadm $array --add "$(member 2)"
until [ "$(cat $md/sync_completed)" = "512 / 1024" ]; do sleep 0.05; done; sleep 0.3
made "note=member_2_was_being_recovered_when_the_array_was_stopped"; stop

create recovering-r6 6 5
quiet mdadm $array --fail "$(member 4)"; rounds; quiet mdadm $array --fail "$(member 0)" --remove "$(member 0)"; rounds
quiet mdadm --zero-superblock "$(member 0)"; dd if=/dev/zero of="$(member 0)" bs=64k 2>/dev/null
echo 512 >$md/sync_max; quiet mdadm $array --add "$(member 0)"
until [ "$(cat $md/sync_completed)" = "512 / 1024" ]; do sleep 0.05; done; sleep 0.3
made "note=member_0_was_being_recovered_and_member_4_is_stale"; stop

# From here on the arrays stay up, dirty, until the power goes.
use 1; create dirty-r5 5 3; stay_dirty
overwrite /dev/vdc 0 64
made "note=not_stopped:_dirty,_parity_agrees"

use 2; create dirty-torn-r5 5 3; stay_dirty
overwrite /dev/vdc 0 64
dd if=/dev/vdd of="$(member 0)" bs=4k seek=$data count=1 conv=notrunc,fsync 2>/dev/null # data of row 0, parity did not follow
made "note=not_stopped:_dirty,_the_first_row_has_new_data_and_old_parity"

use 3; create dirty-degraded-r5 5 3; stay_dirty
overwrite /dev/vdc 0 64; quiet mdadm $array --fail "$(member 1)"; overwrite /dev/vdd 20 20
made "note=not_stopped:_dirty,_and_member_1_failed_while_it_was"

# A write is under way, one member fails it, the others' superblocks say so, and the power goes before the write is
# acknowledged: the new data is on all members but that one. md records a failure in two updates of the superblocks,
# which differ in the event count alone, and the crash is to come between them; make-fixtures takes the second back.
set_back_one_event() { # members
  overwrite /dev/vdc 0 64; quiet mdadm $array --fail "$(member 1)"; overwrite /dev/vdd 20 20
  made "note=not_stopped:_dirty,_member_1_failed_a_write:_one_event_behind,_and_called_faulty_by_the_others back=$1"
}
use 4; create one-behind-faulty-r6 6 4; stay_dirty; set_back_one_event 0,2,3
use 5; create one-behind-faulty-r10 10 4; stay_dirty; set_back_one_event 0,2,3

# The power goes while the superblocks are being written for the step from clean to dirty. All of them reach the disk
# here; the one of member 2 from before is kept, and make-fixtures puts it back. Data may be written only after all
# superblocks are, so the write that began it is one that changes nothing.
use 6; create one-behind-r5 5 3; stay_dirty
before=$places; members kept-superblock 1; fresh
dd if="$(member 2)" of=/dev/mapper/kept-superblock.0 bs=4k skip=1 seek=1 count=1 conv=fsync 2>/dev/null
restore="restore=$places"; places=$before
overwrite /dev/vdb 0 1
made "note=power_cut_between_superblock_writes:_member_2_is_one_event_behind,_called_faulty_by_none $restore"

sync
for left in 1 2 3 4 5 6; do
  use $left
  [ "$(cat $md/array_state)" = active ] || echo "FAILED: md$left is $(cat $md/array_state)"
done
power_cut
