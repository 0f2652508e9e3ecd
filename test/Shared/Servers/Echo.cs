using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Testing;

/// <summary>The connection handler that most tests use.</summary>
internal static class Echo
{
    public static async Task RunAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var output = connection.Transport.Output;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync();
                foreach (var segment in result.Buffer)
                {
                    output.Write(segment.Span);
                }

                input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted || (await output.FlushAsync()).IsCompleted)
                {
                    break;
                }
            }

            await output.FlushAsync();
        }
        catch (Exception exception) when (exception is ConnectionResetException or ConnectionAbortedException)
        {
            // The peer or the server's stop ended it.
        }
    }

    /// <summary>One message there and back.</summary>
    public static async Task RoundTripAsync(RawClient client, int length = 100, int stream = 0)
    {
        await client.SendAsync(Pattern.Create(length, stream));
        Pattern.AssertMatches(await client.ReceiveExactlyAsync(length), stream);
    }

    /// <summary>The same for a connection that nobody serves.</summary>
    public static async Task RoundTripAsync(RawClient client, ConnectionContext connection)
    {
        await client.SendAsync(Pattern.Create(100));
        var result = await connection.Transport.Input.ReadAtLeastAsync(100).DefaultTimeout();
        await connection.Transport.Output.WriteAsync(result.Buffer.ToArray());
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        Pattern.AssertMatches(await client.ReceiveExactlyAsync(100));
    }
}
