// Inner products of rows: SUM_J_V of the lane's own row V of OWN, in buffer OWN_IN at OWN_at_V, with row J of the step's
// OTHER, in buffer OTHER_IN at OTHER_at_SLOT. With HELD both are in arrays (attention-rows.inc.wgsl).
#for J 0 T
#for V 0 QV
var $(SUM)_$(J)_$V = 0.0;
#end
#end
#include attention-chunks BODY=attention-product-chunk
