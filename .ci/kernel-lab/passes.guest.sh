# Guest script: the kernel leaves arrays for raidctl to rebuild, resume, resync and mend, and judges those that raidctl
# has left. passes.py appends one line for each array:
#
#   leave KIND NAME LEVEL FIRST SECTORS MEMBERS   the first boot: make an array and leave it as KIND says
#   judge NAME LEVEL FIRST SECTORS MEMBERS        take up what raidctl has left, let it finish, compare, read
#
# It prints LEFT name=.. md5=.., or SAW name=.. degraded=.. resync=.. mismatch=.. md5=.. with what was on record before the
# kernel could write in `degraded`, `resync` and `from`, the positions of recoveries.


leave() { # kind name level first sectors members
  kind=$1 name=$2 level=$3; carve "$2" "$4" "$5" "$6" || return; members=$carved
  layout=""; chunk=--chunk=16; count=$6
  case $level in 1) chunk="" ;; 10) layout=--layout=n2 ;; esac
  quiet mdadm --create $array --run --level="$level" --raid-devices="$count" --metadata=1.2 --bitmap=none --assume-clean \
    --data-offset=128K $chunk $layout $members || return
  quiet dd if=/dev/vdb of=$array bs=64k count=$(($(bytes $array) / 65536)) conv=fsync
  repair
  last=/dev/mapper/$name.$((count - 1))
  case $kind in
    failed) # a member fails, and what is written then is missing on it
      quiet mdadm $array --fail "$last"
      quiet dd if=/dev/vdb of=$array bs=4k skip=7 seek=30 count=50 conv=notrunc,fsync; calm ;;
    recovering) # stopped in the middle of a recovery onto a new member
      quiet mdadm $array --fail "$last" --remove "$last"
      quiet dd if=/dev/vdb of=$array bs=4k skip=7 seek=30 count=50 conv=notrunc,fsync; calm
      quiet mdadm --zero-superblock "$last"; dd if=/dev/zero of="$last" bs=64k 2>/dev/null
      half=$(($(cat $md/component_size) / 64 * 64)) # KiB, so half of it in sectors
      echo "$half" >$md/sync_max; quiet mdadm $array --add "$last"
      tries=0
      until [ "$(cut -d' ' -f1 $md/sync_completed)" = "$half" ]; do
        tries=$((tries + 1)); [ $tries -lt 200 ] || { cat $md/sync_completed; break; }
        sleep 0.05
      done
      sleep 0.3 ;;
    silent) # a member gives wrong blocks and says nothing
      stop; at=$((32 + 37))
      dd if=/dev/vdb of=/dev/mapper/$name.1 bs=4k skip=3 seek=$at count=1 conv=notrunc,fsync 2>/dev/null
      fresh; quiet mdadm --assemble --readonly --run $array $members
      echo "LEFT name=$name md5=-"; stop; carved=$members; uncarve; return ;;
    dirty) ;; # left at work when the power goes
  esac
  fresh
  echo "LEFT name=$name md5=$(digest $array)"
  if [ "$kind" = dirty ]; then
    echo 0 >$md/safe_mode_delay; sleep 0.3
    quiet dd if=/dev/vdb of=$array bs=4k skip=1 seek=40 count=20 conv=notrunc,fsync
    # Parity that did not follow, as of a write that was cut off. The last member has parity or a copy there.
    quiet dd if=/dev/vdb of=/dev/mapper/$name.$((count - 1)) bs=4k skip=9 seek=32 count=1 conv=notrunc,fsync
    fresh; echo "LEFT name=$name md5=$(digest $array)"
    next=$((next + 1)); use $next
    return
  fi
  stop; carved=$members; uncarve
}
next=0

calm() {
  tries=0
  until [ "$(cat $md/array_state)" = clean ]; do
    tries=$((tries + 1)); [ $tries -lt 400 ] || { cat /proc/mdstat; return; }
    sleep 0.05
  done
}

judge() { # name level first sectors members [device...]
  name=$1 level=$2; carve "$1" "$3" "$4" "$5" || return; members=$carved; shift 5
  quiet mdadm --assemble --readonly --run $array $members || { echo "SAW name=$name started=no"; uncarve; return; }
  from=$(cat $md/dev-*/recovery_start | grep -v none | sort -un | tr '\n' ,)
  saw="SAW name=$name started=ok degraded=$(cat $md/degraded) resync=$(cat $md/resync_start) from=${from:-none}"
  quiet mdadm --readwrite $array
  sleep 0.2; settle
  verify; fresh
  echo "$saw after=$(cat $md/degraded) mismatch=$mismatch md5=$(digest $array)"
  stop; carved=$members; uncarve
}
