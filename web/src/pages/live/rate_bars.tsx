/** The last minute, one bar a second: enough to see whether something flows. */
export function RateBars({ rate, width = 180, height = 30 }: { rate: number[]; width?: number; height?: number }) {
  const most = Math.max(1, ...rate);
  const step = width / rate.length;
  return (
    <svg
      width={width}
      height={height}
      role="img"
      aria-label={`Events received in the last minute: ${rate.reduce((a, b) => a + b, 0)}`}
    >
      {rate.map((n, i) => {
        const tall = n === 0 ? 1.5 : Math.max(3, (n / most) * height);
        return (
          <rect
            key={i}
            x={i * step}
            y={height - tall}
            width={step - 1}
            height={tall}
            rx={1}
            fill={n === 0 ? "var(--p-line-strong)" : "var(--p-flight)"}
          />
        );
      })}
    </svg>
  );
}
