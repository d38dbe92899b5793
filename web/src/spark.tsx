// A line without axes, as wide as its place.

const WIDTH = 120;
const HEIGHT = 22;

export function Spark({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const top = Math.max(...values, 1);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(HEIGHT - 1 - (v / top) * (HEIGHT - 3)).toFixed(1)}`);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {points.length > 1 && <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />}
      <polyline points={points.join(' ')} />
    </svg>
  );
}
