using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>Sends each message to all members, on a thread that belongs to none of the connections.</summary>
internal sealed class Speaker(Room room) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var stopping = stoppingToken.Register(room.Close);
        await foreach (var message in room.Said)
        {
            foreach (var member in room.Members)
            {
                // A member who reads too slowly must not delay the others. A member who is leaving is skipped.
                if (member.TrySend(message) is SendResult.QueueFull)
                {
                    member.Abort("The peer reads too slowly.");
                }
            }
        }
    }
}
