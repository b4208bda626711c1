# Guest script: the kernel leaves arrays for raidctl to rebuild, resume, resync and mend, and judges those that raidctl
# has left. passes.py appends one line for each array:
#
#   leave KIND NAME LEVEL FIRST SECTORS MEMBERS   the first boot: make an array and leave it as KIND says
#   judge NAME LEVEL FIRST SECTORS MEMBERS        take up what raidctl has left, let it finish, compare, read
#   readd NAME LEVEL FIRST SECTORS MEMBERS        the same, of an array whose last member was away and comes back, which
#                                                 mdadm does only if the bitmap tells what it missed
#
# It prints LEFT name=.. md5=.., or SAW name=.. degraded=.. resync=.. mismatch=.. md5=.. with what was on record before the
# kernel could write in `degraded`, `resync` and `from`, the positions of recoveries.


leave() { # kind name level first sectors members
  kind=$1 name=$2 level=$3; carve "$2" "$4" "$5" "$6" || return; members=$carved
  layout=""; chunk=--chunk=16; count=$6; bitmap=--bitmap=none
  case $kind in
    away | readd) bitmap="--bitmap=internal --bitmap-chunk=16K --delay=1" ;;
    marked) bitmap="--bitmap=internal --bitmap-chunk=16K --delay=600" ;; # its bits stay until the power goes
  esac
  case $kind in # the last device is for the first member's place
    replacing) count=$((count - 1)) spare=/dev/mapper/$name.$count members=${members% *} ;;
  esac
  case $level in 1) chunk="" ;; 10) layout=--layout=n2 ;; esac
  quiet mdadm --create $array --run --level="$level" --raid-devices="$count" --metadata=1.2 $bitmap --assume-clean \
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
    replacing) # stopped in the middle of the replacement of a live member
      half=$(($(cat $md/component_size) / 64 * 64)) # KiB, so half of it in sectors
      echo "$half" >$md/sync_max; quiet mdadm $array --add "$spare"
      quiet mdadm $array --replace /dev/mapper/$name.0 --with "$spare"
      tries=0
      until [ "$(cut -d' ' -f1 $md/sync_completed)" = "$half" ]; do
        tries=$((tries + 1)); [ $tries -lt 200 ] || { cat $md/sync_completed; break; }
        sleep 0.05
      done
      sleep 0.3; members="$members $spare" ;;
    silent) # a member gives wrong blocks and says nothing
      stop; at=$((32 + 37))
      dd if=/dev/vdb of=/dev/mapper/$name.1 bs=4k skip=3 seek=$at count=1 conv=notrunc,fsync 2>/dev/null
      fresh; quiet mdadm --assemble --readonly --run $array $members
      echo "LEFT name=$name md5=-"; stop; carved=$members; uncarve; return ;;
    away | readd) # a member goes; what is written before is durable everywhere, and its bits are clear
      tries=0
      until mdadm --examine-bitmap "$last" | grep -q ', 0 dirty'; do
        tries=$((tries + 1)); [ $tries -lt 60 ] || { mdadm --examine-bitmap "$last"; break; }
        sleep 0.5
      done
      quiet mdadm $array --fail "$last" --remove "$last"
      quiet dd if=/dev/vdb of=$array bs=4k skip=7 seek=30 count=50 conv=notrunc,fsync; calm ;;
    dirty | marked) ;; # left at work when the power goes
  esac
  fresh
  echo "LEFT name=$name md5=$(digest $array)"
  if [ "$kind" = dirty ] || [ "$kind" = marked ]; then
    echo 0 >$md/safe_mode_delay; sleep 0.3
    quiet dd if=/dev/vdb of=$array bs=4k skip=1 seek=40 count=20 conv=notrunc,fsync
    # Parity that did not follow, as of a write that was cut off. The last member has parity or a copy there; with a
    # bitmap, of what was written.
    wrong=32
    case $kind$level in marked1) wrong=$((32 + 48)) ;; marked5) wrong=$((32 + 16)) ;; esac
    quiet dd if=/dev/vdb of=/dev/mapper/$name.$((count - 1)) bs=4k skip=99 seek=$wrong count=1 conv=notrunc,fsync
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

readd() { # name level first sectors members
  name=$1 level=$2; carve "$1" "$3" "$4" "$5" || return; members=$carved
  last=/dev/mapper/$name.$(($5 - 1))
  # shellcheck disable=SC2086 # a list
  quiet mdadm --assemble --readonly --run $array ${members% *} || { echo "SAW name=$name started=no"; uncarve; return; }
  saw="SAW name=$name started=ok degraded=$(cat $md/degraded) resync=$(cat $md/resync_start) from=none"
  quiet mdadm --readwrite $array
  quiet mdadm $array --re-add "$last"
  sleep 0.2; settle
  verify; fresh
  echo "$saw after=$(cat $md/degraded) mismatch=$mismatch md5=$(digest $array)"
  stop; carved=$members; uncarve
}
