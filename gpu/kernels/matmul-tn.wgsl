// Matrix product with the left side transposed, over panels (gpu/kernels/panels.ts), for `batch` matrices at once:
//
//   C[i, j] (+)= scale * sum_heads sum_q X[q, i] * Y[q, j]
//
// `heads` consecutive matrices of X and Y are summed into one of C: query heads that share a key/value head.
// Rows of X and Y that pad the last panel must be zero. The sum runs in ascending order of head and q.
//
// Bindings: 0 Params, 1 X (f32), 2 Y (f32), 3 C (f32). Cells and batch as in matmul.wgsl.
// A workgroup makes 16 rows (i) x (4 * LANES) columns (j). SHARE says how its lanes get a cell of X that one of them
// loaded: `subgroup` by broadcast, `workgroup` through the workgroup's memory.
#if SHARE == subgroup
enable subgroups;
#end

struct Params {
  chunks_n: u32, // chunks of 4 columns of C
  panels_q: u32, // panels of 16 q
  heads: u32,
  accumulate: u32,
  scale: f32,
  x_base: u32, x_step: u32, x_stride: u32, x_outer: u32,
  y_base: u32, y_step: u32, y_stride: u32, y_outer: u32,
  c_base: u32, c_step: u32, c_stride: u32, c_outer: u32,
  inner: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

#if SHARE == workgroup
var<workgroup> staged: array<vec4f, 16>;
#end

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = tile.x * $(LANES)u + lane;
  let column = min(chunk, p.chunks_n - 1u);
  #for R 0 16
  var sum_$R = vec4f(0);
  #end
  let outer = tile.z / p.inner;
  let inner = tile.z % p.inner;
  for (var head = inner * p.heads; head < (inner + 1u) * p.heads; head++) {
    let x_at = p.x_base + outer * p.x_outer + head * p.x_step + tile.y * 4u;
    let y_at = p.y_base + outer * p.y_outer + head * p.y_step + column;
    for (var quad = 0u; quad < p.panels_q * 4u; quad++) { // four q at a time
      let panel = quad / 4u;
      let row = (quad % 4u) * 4u;
      // Sixteen vec4 of X: chunk c of i (0-3) at q offset o (0-3) is number 4 * c + o.
      #if SHARE == workgroup
      workgroupBarrier();
      if (lane < 16u) { staged[lane] = x[(x_at + panel * p.x_stride + lane / 4u) * 16u + row + lane % 4u]; }
      workgroupBarrier();
      #else
      #for S 0 SLOTS
      let number_$S = $(S * LANES)u + lane % 16u;
      let x_$S = x[(x_at + panel * p.x_stride + number_$S / 4u) * 16u + row + number_$S % 4u];
      #end
      #end
      #for O 0 4
      let y_$O = y[(y_at + panel * p.y_stride) * 16u + row + $(O)u];
      #end
      #for C 0 4
      {
        #for O 0 4
        #if SHARE == workgroup
        let l_$O = staged[$(4 * C + O)];
        #else
        let l_$O = subgroupBroadcast(x_$((4 * C + O) / LANES), $((4 * C + O) % LANES)u);
        #end
        sum_$(4 * C) = fma(vec4f(l_$(O).x), y_$O, sum_$(4 * C));
        sum_$(4 * C + 1) = fma(vec4f(l_$(O).y), y_$O, sum_$(4 * C + 1));
        sum_$(4 * C + 2) = fma(vec4f(l_$(O).z), y_$O, sum_$(4 * C + 2));
        sum_$(4 * C + 3) = fma(vec4f(l_$(O).w), y_$O, sum_$(4 * C + 3));
        #end
      }
      #end
    }
  }
  if (chunk < p.chunks_n) {
    let at = (p.c_base + outer * p.c_outer + inner * p.c_step + tile.y * p.c_stride + chunk) * 16u;
    if (p.accumulate != 0u) {
      #for R 0 16
      c[at + $(R)u] += p.scale * sum_$R;
      #end
    } else {
      #for R 0 16
      c[at + $(R)u] = p.scale * sum_$R;
      #end
    }
  }
}
