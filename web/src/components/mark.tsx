/** The sign: a pipe that drops water from one level to a lower one. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b7180" />
      <path
        d="M7 11h7c5 0 4 10 9 10h2"
        fill="none"
        stroke="#fff"
        strokeWidth="4"
        strokeLinecap="round"
      />
      <circle cx="24" cy="11" r="2.4" fill="#9edde2" />
    </svg>
  );
}
