//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::cell::{Cell, Operation, Place, Task};

const METHOD: &str = "\
METHOD

Memory. A row is k data blocks, P, Q and two spare blocks: contiguous slots of `chunk` bytes, the
first one at the start of a 4 KiB page, as in a stripe cache. The page differs from launch to
launch. Transparent huge pages are asked for.

Places. `hot`: the same row again and again, so from the cache that it fits in. `memory`: one row
after another, out of rows that cover at least 384 MiB, spares included, and of which update_pq
touches 128 MiB. Each sample takes a sixth of the rows and the next sample the sixth after it, so
what it reads was last touched 320 MiB ago.

Bytes. GiB/s of 2^30 DATA bytes: k x chunk a call, lost blocks included; for update_pq those of the
new content of the one changed block.

Samples. Every implementation in turn, then all again: a median of 9 to 15 samples, each of half a
millisecond (hot), or of 7 to 9, each of a sixth of the rows (memory); as many as it takes until the
middle half of each implementation's samples lies within 2 %. In CPU time of the thread, so that
what others run is not counted; a hot sample in which the thread lost its CPU is taken again. With --launches N the program starts itself
N times; rates are medians over the launches, ratios are medians of the ratios within a launch. 4
KiB cells move with the addresses that a launch happens to get: use 5 or more. Ratios travel from
machine to machine, rates do not.

What is timed. The call alone. Tables, decode matrices, plans and lists of slices are built before,
also from memory (in batches of rows that come to 1 MiB). Each implementation is called through one
boxed closure. Before it is timed each is checked against P and Q computed by bytes; recoveries must
bring back what was lost, and check must also see one wrong byte.

Operations.
  gen_pq          P and Q of k blocks
  xor             P of k blocks
  update_pq       P and Q after one block changed, from old and new content
  recover_one     one data block from the others and P
  recover_two     two data blocks from the others, P and Q
  recover_data_p  one data block and P from the others and Q
  check           whether P and Q belong to the data

Ours from memory. What a row of a few KiB is a part of no call can see, so the caller tells it: in
`memory` ours is asked for Placement::Streaming, stores past the cache, as one asks who goes through
a whole array. (Linux and SnapRAID always store so; ISA-L has no such choice.) What the default does
there is in the file with every rate, as `default`.

Peers. ISA-L updates by xor_gen into a scratch block and ec_encode_data_update, recovers by
ec_encode_data with a decode matrix (one block: by xor_gen), and checks by pq_check. rusty_erasure
likewise; its check is its coder's verify. As a peer of `check` counts what a library itself offers
to check with: ISA-L's pq_check, which is SSE code, and verify of rusty_erasure and of fec-rs. A
faster check can be put together of ISA-L's pq_gen into scratch blocks and memcmp. No library has
that as a function; it is measured all the same, as a composite: it stands in no ratio of the table
and in no SUMMARY, but in lines NOTE, cell by cell, and in the file with every rate. With --backend ssse3,
avx2, avx2_gfni or avx512 the only peer is ISA-L's pq_gen for those instructions, past its
dispatcher. A peer marked `*`
computes another Q than md: its speed is comparable, its bytes are not. A peer that ran without
vector instructions is listed and gets no ratio.

limit_ratio is ours against a loop, in the same harness and place, that reads the same streams as
the operation with the CPU's widest loads, adds them up by xor, and writes that sum to as many
streams as the operation writes: no products, no second sum. It is the fastest, in that cell, of
several such loops: 256 or 512 bytes of each stream a step, number of streams known to the compiler;
from memory also 64 bytes a step with stores past the cache. These loops can be beaten: at other
steps than theirs the same reads may be faster.

OUTPUT, tab-separated
  op place k chunk ours_gib_s best_peer best_peer_gib_s ratio limit_ratio
  SUMMARY  op place geomean min of the ratios, limit_geomean
  LOSES    cells below 1, and to whom
  READING  gen_pq against a loop that reads the k blocks and writes nothing: op place k chunk ratio
  NOTE     ours against a composite: op place geomean min max; then each cell, with its rate
  AGAINST  each peer alone: op place geomean min max
  PATH     peer, operation and the code path it takes on this CPU
Files in --out: DATE-BACKEND.tsv (the same), DATE-BACKEND-all.tsv (each implementation's rate in
each cell) and DATE-BACKEND.svg (a chart); with --label WORD the names begin DATE-BACKEND-WORD. A
file of the same name is replaced.";

/// Measures ours and the peers in turn, in one process, pinned to one core.
#[derive(Debug, Parser)]
#[command(name = "compare", after_long_help = METHOD)]
pub(crate) struct Options {
    /// Operations to measure, separated by commas.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Operation::ALL)]
    pub(crate) ops: Vec<Operation>,

    /// Numbers of data blocks, of 4, 8, 10, 16, 32.
    #[arg(long, value_delimiter = ',', value_parser = blocks)]
    pub(crate) k: Option<Vec<usize>>,

    /// Bytes in a block: a multiple of 1024, also as 4K.
    #[arg(long, value_delimiter = ',', value_parser = bytes)]
    pub(crate) chunk: Option<Vec<usize>>,

    /// Where the blocks are.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Place::ALL)]
    pub(crate) place: Vec<Place>,

    /// Fewer cells (k 4, 8, 16; chunks of 4 KiB and 64 KiB) and fewer samples.
    #[arg(
        long = "quick",
        value_name = "",
        num_args = 0,
        default_value = "full",
        default_missing_value = "quick",
        value_enum
    )]
    pub(crate) effort: Effort,

    /// Times that the program starts itself.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) launches: u32,

    /// The CPU to run on [default: the last one allowed].
    #[arg(long, value_name = "CPU")]
    pub(crate) pin: Option<usize>,

    /// One of our backends [default: the fastest of this CPU].
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    /// A word for the names of the files, so that one run does not replace another.
    #[arg(long, value_name = "WORD", value_parser = word)]
    pub(crate) label: Option<String>,

    /// Where the files go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    pub(crate) out: PathBuf,

    #[arg(long, hide = true, value_enum, default_value = "parent")]
    pub(crate) role: Role,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Effort {
    Quick,
    Full,
}

/// What this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// It starts children and reports.
    Parent,
    /// It measures.
    Child,
}

impl Options {
    /// The cells, in the order of the table: all of a place and row shape together, since they
    /// share their memory.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let (ks, chunks): (&[usize], &[usize]) = match self.effort {
            Effort::Quick => (&[4, 8, 16], &[4 << 10, 64 << 10]),
            Effort::Full => (&[4, 8, 10, 16, 32], &[1 << 10, 4 << 10, 64 << 10, 512 << 10]),
        };
        let ks = self.k.as_deref().unwrap_or(ks);
        let chunks = self.chunk.as_deref().unwrap_or(chunks);
        let mut cells = Vec::new();
        for &operation in &self.ops {
            for &place in &self.place {
                for &chunk in chunks {
                    cells.extend(
                        ks.iter().map(|&k| Cell { task: Task { operation, k, chunk }, place }),
                    );
                }
            }
        }
        cells
    }
}

fn word(text: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, '.', '_' and '-'".to_owned())
    }
}

fn blocks(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(k @ (4 | 8 | 10 | 16 | 32)) => Ok(k),
        Ok(_) | Err(_) => Err("4, 8, 10, 16 or 32".to_owned()),
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1024),
        None => (text, 1),
    };
    match digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if (1024..=4 << 20).contains(&bytes) && bytes.is_multiple_of(1024) => Ok(bytes),
        Some(_) | None => Err("a multiple of 1024, up to 4096K".to_owned()),
    }
}
