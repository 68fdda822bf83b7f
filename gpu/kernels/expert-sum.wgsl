// out[row] (+)= scale * sum over the row's `count` assignments of y, elementwise in ascending order; WEIGHTED yes: each
// times its share. MODE set: out = ...; add: out += ...
// Several gradients (targets of a pack), `panels` panels of rows each, share the shares.
// Bindings: 0 Params, 1 y [targets, rows * count, columns], 2 out [targets, rows, columns], weighted: 3 shares [rows, count].
// One invocation a vec4 of out; workgroup 64, folded over x and y.
struct Params { chunks: u32, cells: u32, width: u32, panels: u32, count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
#if WEIGHTED == yes
@group(0) @binding(3) var<storage, read> shares: array<f32>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  let panel = cell / p.chunks;
  let chunk = cell % p.chunks;
  // Targets are whole panels of rows, so of assignments too: their numbers go on from target to target.
  let row = panel * 16u + index % 16u;
  var sum = vec4f(0);
  for (var rank = 0u; rank < p.count; rank++) {
    let assignment = row * p.count + rank;
    let value = y[((assignment / 16u) * p.chunks + chunk) * 16u + assignment % 16u];
    #if WEIGHTED == yes
    sum += shares[((panel % p.panels) * 16u + index % 16u) * p.count + rank] * value;
    #else
    sum += value;
    #end
  }
  #if MODE == add
  out[index] += p.scale * sum;
  #else
  out[index] = p.scale * sum;
  #end
}
