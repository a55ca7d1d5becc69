/** The name of the task that a schedule runs at a time. */
export function runNameOf (schedule: string, time: number): string {
  return `${schedule}@${new Date(time).toISOString()}`
}
