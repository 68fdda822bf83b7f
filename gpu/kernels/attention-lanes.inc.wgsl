// What the kernels whose lanes own rows share besides attention-tile.inc.wgsl.
// Where sum `i` of a lane lies among those of its workgroup; with HELD a lane has an array of its own.
#if HELD == yes
fn own_cell(i: u32, lane: u32) -> u32 { return i; }
#else
fn own_cell(i: u32, lane: u32) -> u32 { return i * $(LANES)u + lane; }
#end
