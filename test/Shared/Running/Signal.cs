namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// What one side of a test sets and the other awaits. The setter never runs what was awaiting: it may be on an event
/// loop's thread.
/// </summary>
internal static class Signal
{
    public static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
