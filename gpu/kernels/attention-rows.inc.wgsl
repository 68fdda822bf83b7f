// With HELD, reads COUNT rows of NAME from buffer IN at NAME_at_0 ... into their array (attention-held.inc.wgsl). The compiler
// does not know the loop's bound: unrolled loads take it seconds.
#if HELD == yes
{
  var c = 0u;
  loop {
    #for R 0 COUNT
    $(NAME)_rows[c * $(COUNT)u + $(R)u] = $(IN)[$(NAME)_at_$R + c * 16u];
    #end
    continuing {
      c++;
      break if c >= p.shape.chunks;
    }
  }
}
#end
