using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

internal static class ConnectionContextExtensions
{
    /// <summary>Reads what has come, and returns its first byte.</summary>
    public static async Task<byte> ReadByteAsync(this ConnectionContext connection)
    {
        var result = await connection.Transport.Input.ReadAtLeastAsync(1);
        var value = result.Buffer.FirstSpan[0];
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        return value;
    }
}
