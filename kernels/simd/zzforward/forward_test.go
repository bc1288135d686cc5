package zz
import ("testing";"context";"fmt";"sort";"os";"strings";"strconv"
"bedside/kernels/simd";"bedside/kernels/simd/chromium";"bedside/wasm/encoder";"bedside/wasm/encoder/invented";"bedside/wasm/tokenizer";"bedside/weights")
func TestForward(t *testing.T) {
  flags := map[string]string{}
  if os.Getenv("FLAGS")!="" { flags["js-flags"]=os.Getenv("FLAGS") }
  b,err := chromium.Start(context.Background(), flags); if err!=nil {t.Fatal(err)}
  defer b.Close()
  sh := invented.Tiny()
  if os.Getenv("MODEL")=="small" { sh.Layers,sh.Hidden,sh.Heads,sh.Intermediate = 6,384,12,1536 } else { sh.Layers,sh.Hidden,sh.Heads,sh.Intermediate = 12,768,12,3072 }
  sh.Positions=512; sh.Window.Tokens=512; sh.Window.Overlap=124; sh.Weights=weights.Int8
  labels := make([]string,40); for i:=range labels {labels[i]=fmt.Sprint("l",i)}
  m,vals := invented.Model(sh, weights.MultiClass, labels, 1)
  if _,err := m.Layout(vals); err!=nil {t.Fatal(err)}
  byName := map[string][]byte{}; for _,v := range vals { byName[v.Name]=v.Data }
  type c struct{ name string; tab *chromium.Tab; d *simd.Device; e *encoder.Encoder }
  var cs []c
  for _,f := range strings.Split(os.Getenv("WASM"),",") { threads:=0
    if i:=strings.Index(f,":"); i>0 { threads,_=strconv.Atoi(f[i+1:]); f=f[:i] }
    w,err := os.ReadFile(f); if err!=nil{t.Fatal(err)}
    tab,err := b.OpenModule(w,threads); if err!=nil{t.Fatal(err)}
    d := simd.New(tab)
    e,err := encoder.New(&m,d); if err!=nil{t.Fatal(err)}
    for i,x := range m.Tensors { if buf,ok := e.Destination(i); ok { if err:=d.Write(buf,byName[x.Name]); err!=nil{t.Fatal(err)} } }
    if err := e.Ready(byName[weights.EncoderVocabulary]); err!=nil{t.Fatal(err)}
    cs = append(cs, c{f,tab,d,e})
  }
  for _,n := range []int{128,256,512} {
    for _,c := range cs {
      toks := make([]tokenizer.Token,n-2); for i:=range toks { toks[i].ID = int32(5+i%20) }
      j,err := c.e.BeginTokens(toks); if err!=nil{t.Fatal(err)}
      if _,err := j.Step(); err!=nil{t.Fatal(err)}
      if _,err := c.tab.Time(c.d.Program(),4); err!=nil{t.Fatal(err)}
    }
    all := make([][]float64,len(cs))
    for range 8 { for i,c := range cs { ts,err := c.tab.Time(c.d.Program(),2); if err!=nil{t.Fatal(err)}; all[i]=append(all[i],ts...) } }
    for i,c := range cs { s:=all[i]; sort.Float64s(s); fmt.Printf("n=%d %-40s median %.1f p25 %.1f best %.1f ms\n", n, c.name, s[8], s[4], s[0]) }
  }
}
