namespace KestrelEventLoopTransport;

/// <summary>The application's code for one datagram, which is one frame.</summary>
/// <param name="datagram">
/// The datagram. The frame is its <see cref="Datagram.Payload"/>. It is valid until the call returns.
/// </param>
/// <param name="sender">
/// Answers it with <see cref="DatagramSender.Reply"/>, or sends to others. What is sent for datagrams that arrived
/// together leaves together.
/// </param>
public delegate void DatagramCallback(in Datagram datagram, DatagramSender sender);
