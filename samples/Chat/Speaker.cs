using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>Tells everybody what was said, from a thread that belongs to none of the connections.</summary>
internal sealed class Speaker(Room room) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var stopping = stoppingToken.Register(room.Close);
        await foreach (var message in room.Said)
        {
            foreach (var member in room.Members)
            {
                // Nobody waits for one who does not listen. One who is leaving is left in peace.
                if (member.TrySend(message) is SendResult.QueueFull)
                {
                    member.Abort("The peer does not read what is said.");
                }
            }
        }
    }
}
