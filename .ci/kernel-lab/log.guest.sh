# Guest script: arrays with a log, cut off while writes are under way, so that the log holds what the members do not.
# make-fixtures and ppl.py append what arrays, and cut the images.
#
# Each member's data area is a device of its own below the member. Holding one back, while the log goes on, leaves what
# a crash between the writes of one stripe leaves: `held` names the member whose data area was held. In-flight writes
# are from /dev/vdc; the content before them is all from /dev/vdb, and the md5 given is that.
# The stripe cache keeps every block, so no write needs to read from the member that is held back.

split_members() { # name count data: the next free members, with their data areas from that sector on
  split_i=0 carved="" places=""
  while [ $split_i -lt "$2" ]; do
    split_name=$1.$split_i split_rest=$((sectors - $3))
    dmsetup create "$split_name.data" --table "0 $split_rest linear /dev/vda $((free + $3))"
    printf '%s\n' "0 $3 linear /dev/vda $free" "$3 $split_rest linear /dev/mapper/$split_name.data 0" |
      dmsetup create "$split_name"
    places="$places${places:+,}$free" carved="$carved /dev/mapper/$split_name"
    free=$((free + sectors)) split_i=$((split_i + 1))
  done
}

create() { # name level members: an array full of the first pattern, dirty, with $log
  name=$1 level=$2 count=$3 devices=$3 metadata=1.2 chunk=16 layout=left-symmetric
  set -- --level="$level" --raid-devices="$count" --metadata=$metadata --chunk=$chunk --layout=$layout --assume-clean
  case $log in
    ppl) # mdadm takes 1 MiB for the log and puts the data behind it
      sectors=4480; split_members "$name" "$devices" 4096
      set -- "$@" --consistency-policy=ppl $carved ;;
    journal) # of 512 KiB, so that the log goes around
      sectors=1280 devices=$((count + 1)); split_members "$name" "$devices" 256
      set -- "$@" --data-offset=128K ${carved% *} --write-journal "${carved##* }" ;;
  esac
  quiet mdadm --create $array --run "$@"
  echo 1024 >$md/stripe_cache_size
  overwrite /dev/vdb 0 4096 ,fsync
  repair
  [ "$mismatch" = 0 ] || echo "FAILED: $name mismatch=$mismatch"
  echo 0 >$md/safe_mode_delay; sleep 0.5 # a timer that is under way still fires
  overwrite /dev/vdb 0 1 ,fsync # a superblock write would wait for the member that is held back
}
overwrite() { # pattern first count [,fsync]: in blocks of 4 KiB
  dd if="$1" of=$array bs=4k skip="$2" seek="$2" count="$3" conv=notrunc"$4" 2>/tmp/dd.log ||
    grep -q "No space left" /tmp/dd.log || cat /tmp/dd.log
}
# in_flight MEMBER: the writes that the power cut will meet, with that member's data area held back.
in_flight() {
  made "log=$log devices=$devices held=$1"
  sleep 1000 <$array & # closing a block device for the last time would wait for its writes
  sleep 0.5
  dmsetup suspend --noflush --nolockfs "$name.$1.data"
  overwrite /dev/vdc 1 1    # a block
  overwrite /dev/vdc 13 2   # blocks of one chunk
  overwrite /dev/vdc 20 5   # a chunk and part of the next
  for at in 37 41 45; do overwrite /dev/vdc $at 1; done
  overwrite /dev/vdc 72 24  # whole rows
  overwrite /dev/vdc 107 3
  sync & # of every array: it does not end, and no later one would
}
