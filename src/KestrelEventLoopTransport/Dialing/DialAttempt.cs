using System.Net;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>One address that a dial has begun to connect to.</summary>
/// <param name="endPoint">The address.</param>
/// <param name="deadline">When a serial dial goes on to the next address.</param>
internal sealed class DialAttempt(EndPoint endPoint, long deadline)
{
    internal EndPoint EndPoint => endPoint;

    internal long Deadline => deadline;

    /// <summary>Why it failed; null while it goes on.</summary>
    internal Exception? Error { get; set; }

    internal bool IsActive => Error is null;
}
