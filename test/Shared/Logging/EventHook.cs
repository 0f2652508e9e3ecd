namespace KestrelEventLoopTransport.Testing;

/// <summary>A logging provider that runs an action where the transport logs a certain event, on that thread.</summary>
internal sealed class EventHook(string name, Action action) : TestLogs
{
    protected override void OnLogged(LogEntry entry)
    {
        if (entry.EventId.Name == name)
        {
            action();
        }
    }
}
