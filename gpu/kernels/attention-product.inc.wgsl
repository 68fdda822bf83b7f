// Inner products of rows: SUM_J_V of the lane's own row V of OWN, in buffer OWN_IN at OWN_at_V, with row J of the step's
// OTHER, in buffer OTHER_IN at OTHER_at_SLOT. With HELD both are in arrays (attention-rows.inc.wgsl).
#for J 0 T
#for V 0 QV
var $(SUM)_$(J)_$V = 0.0;
#end
#end
#if HELD == yes
#for C 0 CHUNKS
{
  let c = $(C)u;
  #include attention-product-chunk
}
#end
#else
// Not a loop that asks at its head: the adapters run what follows a break in its last round too, for no lane.
{
  var c = 0u;
  loop {
    #include attention-product-chunk
    continuing {
      c++;
      break if c >= p.shape.chunks;
    }
  }
}
#end
