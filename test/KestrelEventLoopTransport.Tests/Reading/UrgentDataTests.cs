using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>A receive stops at the mark of urgent data, and what follows is not announced again.</summary>
[Trait("Contract", "26")]
public sealed class UrgentDataTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_follows_urgent_data_arrives(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync("before,");
        pair.Client.Socket.Send("!"u8, SocketFlags.OutOfBand);
        await pair.Client.SendAsync("after");

        var text = "";
        while (text.Length < "before,after".Length)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            text += Encoding.ASCII.GetString(result.Buffer);
            pair.Input.AdvanceTo(result.Buffer.End);
        }

        Assert.Equal("before,after", text);
    }
}
