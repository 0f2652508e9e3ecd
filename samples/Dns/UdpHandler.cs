using KestrelEventLoopTransport;

namespace Dns;

/// <summary>Answers queries that come as datagrams.</summary>
internal sealed class UdpHandler(Responder responder) : DatagramHandler
{
    // The size that fits into a packet on almost every path (dnsflagday.net/2020). A longer answer is asked for by TCP.
    private const int MaxAnswer = 1232;

    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        Span<byte> answer = stackalloc byte[MaxAnswer];
        foreach (ref readonly var datagram in datagrams)
        {
            var length = responder.Answer(datagram.Payload, answer, isDatagram: true);
            if (length != 0)
            {
                sender.Reply(answer[..length], datagram);
            }
        }
    }
}
