// What chunk c adds to inner products (attention-product.inc.wgsl).
#include attention-chunk-rows INTO=x NAME=OWN IN=OWN_IN COUNT=QV
// The rows of a step come from the lanes that keep them, by broadcast.
#include attention-chunk-rows INTO=row_of NAME=OTHER IN=OTHER_IN COUNT=SLOTS
#for J 0 T
{
  let y = subgroupBroadcast(row_of_$(J / LANES), $(J % LANES)u);
  #for V 0 QV
  $(SUM)_$(J)_$V = $(SUM)_$(J)_$V + x_$(V).x * y.x + x_$(V).y * y.y + x_$(V).z * y.z + x_$(V).w * y.w;
  #end
}
#end
