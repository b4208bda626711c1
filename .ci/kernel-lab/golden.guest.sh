# Guest script: one small array of every level and layout, filled with the pattern on /dev/vdb and scrubbed by the kernel.
# make-fixtures runs it and cuts the images.

golden() { # name level layout chunk_kib members metadata
  name=$1 level=$2 layout=$3 chunk=$4 count=$5 metadata=$6
  members "$name" "$count"
  set -- --level="$level" --raid-devices="$count" --metadata="$metadata" --assume-clean
  [ "$layout" = - ] || set -- "$@" --layout="$layout"
  [ "$level" = 1 ] || set -- "$@" --chunk="$chunk"
  [ "$level" = 0 ] || set -- "$@" --bitmap=none
  [ "$metadata" = 1.0 ] || set -- "$@" --data-offset=128K
  quiet mdadm --create $array --run "$@" $carved
  dd if=/dev/vdb of=$array bs=4k conv=notrunc 2>/dev/null; sync
  mismatch=0; [ "$level" = 0 ] || repair
  made mismatch=$mismatch; stop
}

for layout in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last; do
  golden r5-$layout 5 $layout 4 4 1.2
done
golden r4 4 - 8 3 1.2
for layout in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last \
  ddf-zero-restart ddf-N-restart ddf-N-continue \
  left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6; do
  golden r6-$layout 6 $layout 4 5 1.2
done
golden r0 0 - 16 3 1.2
golden r1 1 - 0 2 1.2
golden r10-n2 10 n2 4 4 1.2
golden r10-f2 10 f2 4 4 1.2
golden r10-o2 10 o2 4 3 1.2
golden r5-v10 5 left-symmetric 16 3 1.0
golden r6-v11 6 left-symmetric 16 4 1.1
