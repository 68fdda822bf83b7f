// Sums of rows on hardware: to SUM_d_i is added, for all rows j of the step in ascending order, the weight of (own row i, j)
// (attention-shared-weights.inc.wgsl) times chunk x + 16 d of row j in OTHER_IN, as attention-shared-product.inc.wgsl has it.
#for D 0 SLABS
workgroupBarrier();
for (var i = index; i < $(16 * T)u; i += 256u) {
  let j = i / 256u * 16u + i % 16u;
  let chunk = $(16 * D)u + i / 16u % 16u;
  var staged = vec4f(0);
  if (chunk < p.shape.chunks) {
    staged = $(OTHER_IN)[cell($(OTHER_ROWS) + min(step + j, length - 1u), $(OTHER_STRIDE), $(OTHER_HEAD) + chunk)];
  }
  stage[j * 17u + i / 16u % 16u] = staged;
}
workgroupBarrier();
for (var j = 0u; j < $(T)u; j++) {
  let value = stage[j * 17u + x];
  #for I 0 ROWS_EACH
  $(SUM)_$(D)_$I = $(SUM)_$(D)_$I + weights[(y + $(16 * I)u) * 33u + j] * value;
  #end
}
#end
