# Guest script: the kernel examines arrays that raidctl has written to. peer.py appends one `examine` line for each.
#
# It prints, for each array, what the kernel makes of it:
#   SAW name=.. mode=.. started=ok resync=none degraded=N mismatch=N md5=..
# `resync` and `degraded` are taken before the kernel may write, so that a resync on its part can not hide an array
# that was left dirty. Where members were left out, they are named to the kernel all the same, with the old content
# they have: it must tell from the metadata that they are stale. Then they are taken in anew, and a second line
# (stage=recovered) shows the array after recovery. To an array that raidctl has made, all of whose members are there,
# the kernel writes as well: stage=returned.

examine() { # name mode level first sectors members missing...
  name=$1 mode=$2 level=$3; carve "$1-$2" "$4" "$5" "$6" || return; members=$carved; shift 6
  observe "$@"
  mdadm --stop $array >/dev/null 2>&1
  carved=$members; uncarve
}

observe() { # missing...
  saw="SAW name=$name mode=$mode stage=written"
  quiet mdadm --assemble --readonly --run $array $members || { echo "$saw started=no"; return; }
  resync=none degraded=0 mismatch=-
  [ "$level" = 0 ] || { resync=$(cat $md/resync_start); degraded=$(cat $md/degraded); }
  content=$(digest $array)
  quiet mdadm --readwrite $array || { echo "$saw started=no"; return; }
  [ "$level" = 0 ] || [ $# != 0 ] || verify
  echo "$saw started=ok resync=$resync degraded=$degraded mismatch=$mismatch md5=$content"
  case $mode in new | resynced) write_back ;; esac
  [ $# = 0 ] || take_in "$@"
}

calm() {
  tries=0
  until [ "$(cat $md/resync_start)" = none ] && [ "$(cat $md/sync_action)" = idle ]; do
    tries=$((tries + 1)); [ $tries -lt 400 ] || { cat /proc/mdstat; return; }
    sleep 0.05
  done
}

write_back() { # the model does the same
  quiet dd if=$array of=$array bs=4096 skip=3 seek=$(($(bytes $array) / 8192)) count=64 conv=notrunc,fsync
  fresh
  # md calls an array clean when no write has come for a while.
  [ "$level" = 0 ] || { calm; resync=$(cat $md/resync_start); verify; }
  echo "SAW name=$name mode=$mode stage=returned started=ok resync=$resync degraded=0 mismatch=$mismatch md5=$(digest $array)"
}

take_in() { # missing...
  saw="SAW name=$name mode=$mode stage=recovered"
  anew=""
  for slot in "$@"; do anew="$anew /dev/mapper/$name-$mode.$slot"; done
  quiet mdadm --zero-superblock $anew && quiet mdadm $array --add $anew || { echo "$saw started=no"; return; }
  tries=0
  until [ "$(cat $md/degraded)" = 0 ] && [ "$(cat $md/sync_action)" = idle ]; do
    tries=$((tries + 1)); [ $tries -lt 400 ] || { cat /proc/mdstat; break; }
    sleep 0.05
  done
  fresh
  verify
  echo "$saw started=ok resync=$(cat $md/resync_start) degraded=$(cat $md/degraded) mismatch=$mismatch md5=$(digest $array)"
}
